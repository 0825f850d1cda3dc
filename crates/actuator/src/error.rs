//! What can go wrong between this process and its kernel.

use rustix::io::Errno;

/// Why the actuator cannot start or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ActuatorError {
    /// The kernel refuses packet filter changes to this process.
    #[error("no permission to change the packet filter ({source}): CAP_NET_ADMIN is needed")]
    Permission {
        /// What the kernel said.
        source: Errno,
    },
    /// The kernel has no nf_tables, or too old a one.
    #[error("this kernel does not support {what}: {source}")]
    NotSupported {
        /// The missing part.
        what: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// The peer of the socket is not the engine.
    #[error("peer has uid {actual}, expected {expected}")]
    WrongPeer {
        /// Uid of the peer.
        actual: u32,
        /// Uid that was asked for.
        expected: u32,
    },
    /// Own addresses cannot be found, so nothing may be blocked.
    #[error("cannot read the own addresses below {path}")]
    NoDiscovery {
        /// Where `/proc` was looked for.
        path: String,
    },
    /// The never-block list cannot be held.
    #[error("{count} protected networks are more than {max}")]
    TooManyProtected {
        /// How many were given.
        count: usize,
        /// How many can be held.
        max: usize,
    },
    /// Privileges could not be given up.
    #[error("cannot give up privileges: {what}: {reason}")]
    Privileges {
        /// The step that failed.
        what: &'static str,
        /// What the kernel said.
        reason: String,
    },
    /// The socket to the engine failed.
    #[error("socket to the engine: {0}")]
    Socket(Errno),
    /// The packet filter failed in another way.
    #[error("packet filter: {0}")]
    Kernel(#[from] KernelError),
}

/// Why the packet filter did not do as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// The kernel answered with an error.
    #[error("{what}: {errno}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The answer was not understood.
    #[error("{what}: answer of the kernel not understood")]
    NotUnderstood {
        /// What was tried.
        what: &'static str,
    },
    /// A message or answer is above its limit.
    #[error("{what}: more than {max}")]
    TooLarge {
        /// What was tried.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl KernelError {
    /// The kernel's error number, where it gave one.
    pub const fn errno(self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(errno),
            Self::NotUnderstood { .. } | Self::TooLarge { .. } => None,
        }
    }
}

impl ActuatorError {
    /// Sorts a failure at the start: permission, not supported, or another.
    pub(crate) const fn at_start(error: KernelError) -> Self {
        let KernelError::Refused { errno, .. } = error else {
            return Self::Kernel(error);
        };
        match errno {
            Errno::PERM | Errno::ACCESS => Self::Permission { source: errno },
            Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::OPNOTSUPP | Errno::INVAL => {
                Self::NotSupported {
                    what: "nf_tables as needed (5.7 or later)",
                    source: errno,
                }
            }
            _ => Self::Kernel(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_and_missing_support_are_told_apart() {
        let refused = |errno| KernelError::Refused {
            what: "open",
            errno,
        };
        let permission = ActuatorError::at_start(refused(Errno::PERM));
        assert!(matches!(permission, ActuatorError::Permission { .. }));
        let missing = ActuatorError::at_start(refused(Errno::PROTONOSUPPORT));
        assert!(matches!(missing, ActuatorError::NotSupported { .. }));
        let other = ActuatorError::at_start(refused(Errno::NOMEM));
        assert!(matches!(other, ActuatorError::Kernel(_)));
    }
}
