"""Which static files are served."""

from django.contrib.staticfiles import apps


class StaticFilesConfig(apps.StaticFilesConfig):
    """Leaves out what no page loads: the browser libraries come in many builds, with source maps."""

    ignore_patterns = (
        *apps.StaticFilesConfig.ignore_patterns,
        *("*.map", "*.mjs", "*.d.ts", "*.gz", "*.esm.*", "*.amd.*", "*.cjs.*", "*.cjs"),
        *("echarts.js", "echarts.common.js", "echarts.simple.*", "echarts.min.js", "htmx.js"),
        *("browser-test-bundle.js", "tus.js"),
    )
