"""The semantic layer: the metrics of A87, asked by name through MetricFlow."""
