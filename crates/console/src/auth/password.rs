//! Passwords as Argon2id strings. Costly on purpose: call it on a blocking thread only.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, CustomizedPasswordHasher, Params, PasswordVerifier, Version};

/// Fewest characters of a new password.
pub(crate) const PASSWORD_CHARS_MIN: usize = 12;
/// Most bytes of a password that are looked at; longer ones are refused.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;
/// Bytes of salt.
pub(crate) const SALT_BYTES: usize = 16;

/// How much work a new password hash costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Memory, KiB.
    pub(crate) memory_kib: u32,
    /// Passes over it.
    pub(crate) passes: u32,
}

impl Cost {
    /// 19 MiB and two passes: the OWASP recommendation for Argon2id.
    pub(crate) const FULL: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
    };
}

/// Hashes a new password into a PHC string; `None` if the library refuses the parameters.
pub(crate) fn hash(password: &str, salt: &[u8; SALT_BYTES], cost: Cost) -> Option<String> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).ok()?;
    let hashed: PasswordHash = Argon2::default()
        .hash_password_customized(
            password.as_bytes(),
            salt,
            Some(Algorithm::Argon2id.as_str()),
            Some(Version::V0x13.into()),
            params,
        )
        .ok()?;
    Some(hashed.to_string())
}

/// Does `password` belong to `hashed`? The cost is the one that `hashed` names.
pub(crate) fn verify(password: &str, hashed: &str) -> bool {
    password.len() <= PASSWORD_BYTES_MAX
        && Argon2::default()
            .verify_password(password.as_bytes(), hashed)
            .is_ok()
}

/// Why a new password is refused, in words; `None` if it may be used.
pub(crate) fn weakness(password: &str) -> Option<&'static str> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        Some("the password needs at least 12 characters")
    } else if password.len() > PASSWORD_BYTES_MAX {
        Some("the password is longer than 1024 bytes")
    } else {
        None
    }
}
