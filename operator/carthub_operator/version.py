"""The one version that the wheel, the images and the chart carry."""

__version__ = "0.1.0"
