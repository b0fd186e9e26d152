"""Numbers of system calls, asked of the libseccomp that the host's container runtime uses."""

import ctypes

UNKNOWN = -1  # __NR_SCMP_ERROR
AUDIT_ARCH = {"amd64": 0xC000_003E, "arm64": 0xC000_00B7}  # linux/audit.h


def _library() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        raise RuntimeError(
            "these tests need libseccomp.so.2, which every host with runc or crun has: "
            "install the package libseccomp2 (libseccomp)"
        ) from error


def number(name: str, architecture: str) -> int:
    """The call's number; UNKNOWN for an unknown name, lower where only others have the call."""
    resolve = _library().seccomp_syscall_resolve_name_arch
    return int(resolve(ctypes.c_uint32(AUDIT_ARCH[architecture]), name.encode()))
