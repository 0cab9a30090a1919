"""Put data from a notebook into Azure Data Lake Storage Gen2.

In IPython and Jupyter: `%load_ext adls_magic`, then `%adls_config`, `%adls_upload`,
`%%adls_write` and `%adls_ls`. In Python:

    import adls_magic as adls

    account = adls.connect("contoso", filesystem="raw")
    adls.upload("sales.csv", "2026/11/sales.csv", account=account)

Nothing heavy is imported here: what a function needs is imported when it is first called.
"""

from __future__ import annotations

__all__: list[str] = []
