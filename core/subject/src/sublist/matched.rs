//! The subscriptions of one filter.

/// The subscriptions of one filter: most filters have one.
pub enum Matched<S> {
    /// Nobody.
    None,
    /// One subscription without a queue group.
    One(S),
    /// Several, or queue groups.
    Many(Box<Many<S>>),
}

/// Several subscriptions of one filter.
pub struct Many<S> {
    plain: Vec<S>,
    queues: Vec<QueueMembers<S>>,
}

/// One queue group of one filter.
pub struct QueueMembers<S> {
    /// The group's name.
    pub name: Box<[u8]>,
    /// Its members; never empty.
    pub members: Vec<S>,
}

impl<S> Matched<S> {
    /// True if there is nobody.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Those without a queue group.
    #[inline]
    pub fn plain(&self) -> &[S] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => &many.plain,
        }
    }

    /// The queue groups.
    #[inline]
    pub fn queues(&self) -> &[QueueMembers<S>] {
        match self {
            Self::Many(many) => &many.queues,
            _ => &[],
        }
    }
}

impl<S: PartialEq> Matched<S> {
    pub(super) fn add(&mut self, queue: Option<&[u8]>, subscription: S) {
        if queue.is_none() && self.is_empty() {
            *self = Self::One(subscription);
            return;
        }
        if !matches!(self, Self::Many(_)) {
            let plain = match std::mem::replace(self, Self::None) {
                Self::One(one) => vec![one],
                _ => Vec::new(),
            };
            *self = Self::Many(Box::new(Many { plain, queues: Vec::new() }));
        }
        let Self::Many(many) = self else { return };
        let Some(name) = queue else { return many.plain.push(subscription) };
        match many.queues.iter_mut().find(|group| *group.name == *name) {
            Some(group) => group.members.push(subscription),
            None => many.queues.push(QueueMembers { name: name.into(), members: vec![subscription] }),
        }
    }

    pub(super) fn remove(&mut self, queue: Option<&[u8]>, subscription: &S) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => {
                let found = queue.is_none() && one == subscription;
                if found {
                    *self = Self::None;
                }
                found
            }
            Self::Many(many) => {
                let found = many.remove(queue, subscription);
                if many.plain.is_empty() && many.queues.is_empty() {
                    *self = Self::None;
                }
                found
            }
        }
    }
}

impl<S: PartialEq> Many<S> {
    fn remove(&mut self, queue: Option<&[u8]>, subscription: &S) -> bool {
        let Some(name) = queue else { return take(&mut self.plain, subscription) };
        let Some(at) = self.queues.iter().position(|group| *group.name == *name) else { return false };
        let found = take(&mut self.queues[at].members, subscription);
        if self.queues[at].members.is_empty() {
            self.queues.swap_remove(at);
        }
        found
    }
}

fn take<S: PartialEq>(list: &mut Vec<S>, subscription: &S) -> bool {
    match list.iter().position(|one| one == subscription) {
        Some(at) => {
            list.swap_remove(at);
            true
        }
        None => false,
    }
}
