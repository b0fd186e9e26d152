"""What numpy asks of the kernel: threads of the linear algebra, mapped files, shared arrays."""

# ruff: noqa: T201

import multiprocessing
from multiprocessing import shared_memory

import numpy as np


def fill(name):
    block = shared_memory.SharedMemory(name=name)
    np.ndarray((64,), dtype=np.float64, buffer=block.buf)[:] = 2.0
    block.close()


def main():
    matrix = np.random.default_rng(1).random((400, 400))
    assert np.allclose(matrix @ np.linalg.inv(matrix), np.eye(400), atol=1e-6)
    assert np.linalg.svd(matrix)[1].shape == (400,)
    mapped = np.memmap("mapped", dtype=np.int64, mode="w+", shape=(1000,))
    mapped[:] = 1
    mapped.flush()
    assert np.fromfile("mapped", dtype=np.int64).sum() == 1000
    block = shared_memory.SharedMemory(create=True, size=512)
    child = multiprocessing.Process(target=fill, args=(block.name,))
    child.start()
    child.join()
    assert np.ndarray((64,), dtype=np.float64, buffer=block.buf).sum() == 128.0
    block.close()
    block.unlink()


if __name__ == "__main__":
    main()
    print("ok")
