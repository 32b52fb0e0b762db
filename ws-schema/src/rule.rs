//! The kinds of changes, and how bad each is.

use std::fmt;

/// How bad a change is. The order is that of badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing happens on the wire; code that is made again from the contract needs edits.
    Source,
    /// A peer that is not tolerant fails, or something is lost without an error.
    Risk,
    /// A peer of the old contract fails, or takes something for what it is not.
    Wire,
}

impl Level {
    /// Its word: `wire`, `risk` or `source`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Risk => "risk",
            Self::Wire => "wire",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who writes and who reads while peers of both contracts are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// A peer of the old contract writes, one of the new contract reads.
    OldToNew,
    /// A peer of the new contract writes, one of the old contract reads.
    NewToOld,
}

macro_rules! rules {
    ($(
        $(#[doc = $doc:literal])*
        $rule:ident $id:literal $old_to_new:ident $new_to_old:ident,
    )*) => {
        /// The kind of a change. The id is stable: files of accepted changes name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])* $rule,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// Its stable name, `FIELD_REMOVED`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$rule => $id,)* }
            }

            /// How bad it is where nothing makes it better or worse; `None` where it is no change
            /// at all.
            #[must_use]
            pub const fn level(self, flow: Flow) -> Option<Level> {
                match (self, flow) {
                    $((Self::$rule, Flow::OldToNew) => level!($old_to_new),
                      (Self::$rule, Flow::NewToOld) => level!($new_to_old),)*
                }
            }
        }
    };
}

macro_rules! level {
    (wire) => {
        Some(Level::Wire)
    };
    (risk) => {
        Some(Level::Risk)
    };
    (source) => {
        Some(Level::Source)
    };
    (none) => {
        None
    };
}

// The columns: an old peer writes and a new one reads; a new one writes and an old one reads.
rules! {
    /// A request, a callback, a channel or an event is new.
    MessageAdded "MESSAGE_ADDED" source source,
    /// One is gone, or has another name.
    MessageRemoved "MESSAGE_REMOVED" wire wire,
    /// A name stands for something else: a request became a channel.
    KindChanged "KIND_CHANGED" wire wire,
    /// A request answers in another way: with items, with parts, with or without a reply.
    RequestResponseChanged "REQUEST_RESPONSE_CHANGED" wire wire,
    /// A request that had no typed error has one.
    RequestErrorAdded "REQUEST_ERROR_ADDED" risk risk,
    /// A field that must be there is new.
    FieldAddedRequired "FIELD_ADDED_REQUIRED" wire source,
    /// A field that may be absent is new.
    FieldAddedOptional "FIELD_ADDED_OPTIONAL" source source,
    /// A field is gone.
    FieldRemoved "FIELD_REMOVED" risk wire,
    /// A field is gone and one of the same shape is new.
    FieldRenamed "FIELD_RENAMED" wire wire,
    /// A field that could be absent must be there.
    FieldNowRequired "FIELD_NOW_REQUIRED" wire source,
    /// A field that was always there may be absent.
    FieldNowOptional "FIELD_NOW_OPTIONAL" source wire,
    /// `null` may come.
    NullAllowed "NULL_ALLOWED" source wire,
    /// `null` may no longer come.
    NullForbidden "NULL_FORBIDDEN" wire source,
    /// A value has another type.
    TypeChanged "TYPE_CHANGED" wire wire,
    /// A number may be larger or smaller than before.
    NumberWidened "NUMBER_WIDENED" source risk,
    /// Numbers that were allowed no longer are.
    NumberNarrowed "NUMBER_NARROWED" wire source,
    /// A whole number may have a fraction.
    IntegerToNumber "INTEGER_TO_NUMBER" source wire,
    /// Values that were allowed no longer are.
    ConstraintTightened "CONSTRAINT_TIGHTENED" wire none,
    /// Values that were not allowed are.
    ConstraintLoosened "CONSTRAINT_LOOSENED" none risk,
    /// An enum has one more word.
    EnumValueAdded "ENUM_VALUE_ADDED" source wire,
    /// An enum lost a word.
    EnumValueRemoved "ENUM_VALUE_REMOVED" wire source,
    /// A choice has one more variant.
    VariantAdded "VARIANT_ADDED" source wire,
    /// A choice lost a variant.
    VariantRemoved "VARIANT_REMOVED" wire source,
    /// The variants of a choice are told apart by another field.
    DiscriminatorChanged "DISCRIMINATOR_CHANGED" wire wire,
    /// The header of a message has other fields.
    EnvelopeChanged "ENVELOPE_CHANGED" wire wire,
    /// A message that carried `null` carries a payload.
    UnitToPayload "UNIT_TO_PAYLOAD" wire wire,
    /// A field that is absent means something else.
    DefaultChanged "DEFAULT_CHANGED" risk risk,
    /// A type has another name, which does not travel.
    TypeRenamed "TYPE_RENAMED" source source,
    /// The address of a channel has other parts.
    AddressChanged "ADDRESS_CHANGED" wire wire,
    /// The delivery of a channel is another one.
    DeliveryChanged "DELIVERY_CHANGED" wire wire,
    /// Clients may no longer publish.
    PublishForbidden "PUBLISH_FORBIDDEN" wire source,
    /// A channel keeps less, or only the newest value.
    HistoryShortened "HISTORY_SHORTENED" risk risk,
    /// A channel has a snapshot that it had not.
    SnapshotAdded "SNAPSHOT_ADDED" risk risk,
    /// A channel has no snapshot any more.
    SnapshotRemoved "SNAPSHOT_REMOVED" wire wire,
    /// A request that could be sent twice no longer can.
    ResendChanged "RESEND_CHANGED" risk risk,
    /// Requests that were worked on in order no longer are.
    OrderChanged "ORDER_CHANGED" risk risk,
    /// An acknowledgement of a request means something else.
    AckChanged "ACK_CHANGED" risk risk,
    /// Something went that nobody was told about by a deprecation.
    DeprecatedRemovedEarly "DEPRECATED_REMOVED_EARLY" risk risk,
    /// Something is new in a version that peers without it speak already.
    VersionNotBumped "VERSION_NOT_BUMPED" risk risk,
    /// Peers of the old contract are refused by the handshake.
    VersionRefused "VERSION_REFUSED" risk risk,
}

impl Rule {
    /// The rule of an id.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == id)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_id_is_the_rule_in_capitals() {
        for rule in Rule::ALL {
            let words = rule.id().split('_').map(|word| {
                let (first, rest) = word.split_at(1);
                format!("{first}{}", rest.to_ascii_lowercase())
            });
            assert_eq!(words.collect::<String>(), format!("{rule:?}"));
            assert_eq!(Rule::of(rule.id()), Some(*rule));
        }
    }

    #[test]
    fn ids_are_unique() {
        let ids: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
    }
}
