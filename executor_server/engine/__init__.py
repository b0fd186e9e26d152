"""The engine (the Docker daemon) behind one narrow interface; only this package imports aiodocker."""
