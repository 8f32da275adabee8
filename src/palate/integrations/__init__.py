"""Ways into other libraries, each of which is imported only here.

sklearn  a regressor over pairs of user and item
mlflow   models logged and loaded, and asked by frames
onnx     factor models as graphs that any runtime reads
card     the card of a model, in Hugging Face's form
"""
