"""The report of a run's findings, on one page: findings ▸ words, charts ▸ page.

`page` writes it; `charts` decides what is drawn, `chart` and `axis` where, `words` the text.
"""
