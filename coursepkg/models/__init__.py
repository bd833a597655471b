"""The architectures of the course as Keras 3 models; nothing here names a backend."""
