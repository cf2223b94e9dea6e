"""A corpus: many data sets mixed, cleaned, annotated and handed on, in Parquet shards that are read a batch at a time.

A corpus folder holds `samples-00000-of-00004.parquet` … (`rows`), `media/`, `corpus.json`, `README.md` and `report/`.
Every stage is a function over batches of rows (`executor`); what concerns all rows at once works on the columns that
stages give, never on all media.
"""
