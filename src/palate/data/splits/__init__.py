"""Splits into training and test rows.

split   what a split is: row numbers of two parts
kinds   those that a word names, such as time:0.2
file    splits as a Parquet file
fixed   two parts that somebody else made, as one data set and its split
making  strings to splits, splits to parts and files
leaks   what a model is tested on, it must not have been trained on
"""
