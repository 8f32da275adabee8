"""The same models on Apache Spark: ratings that one machine cannot hold."""
