//! Join-string values for addresses, interfaces and power states.

use std::net::IpAddr;

/// Where an address is reachable from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressScope {
    /// From the instance's network.
    Private,
    /// From the internet.
    Public,
}

impl AddressScope {
    /// Public or private, for a cloud that tells which.
    pub fn public_if(is_public: bool) -> Self {
        if is_public {
            Self::Public
        } else {
            Self::Private
        }
    }

    /// The scope of an address by its range: private are RFC 1918 and unique local addresses.
    pub fn of(ip: IpAddr) -> Self {
        Self::public_if(match ip {
            IpAddr::V4(ip) => !ip.is_private(),
            IpAddr::V6(ip) => !ip.is_unique_local(),
        })
    }
}

/// Defines an enum of join-string values, with `WORDS`, `from_word` and `word`. A value may have
/// aliases: `Public = "public" | "world"`.
#[macro_export]
macro_rules! words {
    (
        $(#[$documentation:meta])*
        $name:ident { $($(#[$variant_documentation:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)? }
    ) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum $name {
            $($(#[$variant_documentation])* $variant),+
        }

        impl $name {
            /// The words, in the order of the variants, then the aliases.
            pub const WORDS: &'static [&'static str] = &[$($word),+ $($(, $alias)*)+];

            /// The value of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word $(| $alias)* => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

words! {
    /// Which addresses are returned (`address_type`).
    AddressType {
        /// Private addresses of both families.
        #[default]
        Private = "private",
        /// Private IPv4 addresses.
        PrivateV4 = "private_v4",
        /// Private IPv6 addresses.
        PrivateV6 = "private_v6",
        /// Public addresses of both families.
        Public = "public",
        /// Public IPv4 addresses.
        PublicV4 = "public_v4",
        /// Public IPv6 addresses.
        PublicV6 = "public_v6",
    }
}

impl AddressType {
    /// Whether an address of this scope is returned.
    pub fn includes(self, ip: IpAddr, scope: AddressScope) -> bool {
        let family = match self {
            Self::Private | Self::Public => true,
            Self::PrivateV4 | Self::PublicV4 => ip.is_ipv4(),
            Self::PrivateV6 | Self::PublicV6 => ip.is_ipv6(),
        };
        family && (scope == AddressScope::Public) == self.is_public()
    }

    /// Whether public addresses are returned.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Public | Self::PublicV4 | Self::PublicV6)
    }
}

words! {
    /// Which power states count (`power_state`).
    PowerState {
        /// Any, as in go-discover.
        #[default]
        Any = "any",
        /// Running instances only.
        Running = "running",
    }
}

words! {
    /// Which interfaces count (`interfaces`).
    Interfaces {
        /// Every interface.
        #[default]
        All = "all",
        /// The primary interface of an instance only.
        Primary = "primary",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_type_includes_its_scope_and_families() {
        let (v4, v6) = ("10.0.0.4".parse().unwrap(), "2001:db8::4".parse().unwrap());
        let included = |word: &str| {
            let kind = AddressType::from_word(word).unwrap();
            [
                (v4, AddressScope::Private),
                (v6, AddressScope::Private),
                (v4, AddressScope::Public),
                (v6, AddressScope::Public),
            ]
            .map(|(ip, scope)| kind.includes(ip, scope))
        };
        assert_eq!(included("private"), [true, true, false, false]);
        assert_eq!(included("private_v4"), [true, false, false, false]);
        assert_eq!(included("private_v6"), [false, true, false, false]);
        assert_eq!(included("public"), [false, false, true, true]);
        assert_eq!(included("public_v4"), [false, false, true, false]);
        assert_eq!(included("public_v6"), [false, false, false, true]);
    }

    #[test]
    fn every_word_is_the_word_of_its_value() {
        for word in AddressType::WORDS {
            assert_eq!(
                AddressType::from_word(word).map(AddressType::word),
                Some(*word)
            );
        }
        assert_eq!(PowerState::from_word("stopped"), None);
    }
}
