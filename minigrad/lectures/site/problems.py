"""What keeps the site from being built."""


class SiteError(Exception):
    """A sentence for whoever builds the site."""
