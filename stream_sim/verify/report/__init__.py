"""Findings of a run in, one page that shows them out: findings ▸ words, charts ▸ page.

`page` writes it; `charts` says what is drawn, `chart` and `axis` where, `words` what is said.
"""
