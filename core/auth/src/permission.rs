//! What a user may publish and subscribe to, as types. Nothing checks them yet: the options refuse
//! a user with permissions until the broker does.

/// The permissions of one user. The default allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects the user may publish to.
    pub publish: SubjectPermission,
    /// Subjects the user may subscribe to.
    pub subscribe: SubjectPermission,
}

impl Permissions {
    /// Whether nothing is forbidden, so that no check is needed at all.
    pub fn is_unrestricted(&self) -> bool {
        self.publish.is_unrestricted() && self.subscribe.is_unrestricted()
    }
}

/// Allowed and denied subject filters. A denial wins over an allowance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectPermission {
    /// `None`: everything that is not denied. `Some`: only what one of these filters covers.
    pub allow: Option<Vec<String>>,
    /// Never these.
    pub deny: Vec<String>,
}

impl SubjectPermission {
    /// Whether nothing is forbidden.
    pub fn is_unrestricted(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_forbids_nothing() {
        assert!(Permissions::default().is_unrestricted());
        let one = SubjectPermission { deny: vec!["a.>".into()], ..SubjectPermission::default() };
        assert!(!Permissions { publish: one, ..Permissions::default() }.is_unrestricted());
    }
}
