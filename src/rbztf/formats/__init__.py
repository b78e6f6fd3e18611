"""Tables as others write them: FITS, VOTable, Parquet, JSON, CSV and ECSV, told apart by their content."""
