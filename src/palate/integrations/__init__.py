"""Ways into other libraries, each of which is imported only here.

sklearn  a regressor over pairs of user and item
"""
