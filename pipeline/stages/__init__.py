"""What is done to clips after they are generated: larger ones, and in time longer and smoother ones.

Each stage is a generator over its steps that ends with the new clip. May import the method's modules and `encoders`.
"""
