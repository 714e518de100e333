"""The families of models: how each is found, downloaded, converted, placed on a device and run.

May import `encoders`, `blocks`, `transformer` and the sampler, not the pipeline that is built of them.
"""
