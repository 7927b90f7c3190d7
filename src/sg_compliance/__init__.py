"""sg-compliance: find and explain what AWS security groups really open."""

__version__ = "0.1.0"
