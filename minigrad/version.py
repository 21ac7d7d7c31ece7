"""The version of the library, the same as of the package."""

VERSION = "0.1.0"
