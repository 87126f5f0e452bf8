package import LinuxKit

/// What a client asks for when it wants a namespace to have a name.
package struct Creation: Sendable {
    /// Where the namespace comes from.
    package enum Kind: Sendable, Equatable {
        case new(Loopback)
        /// It exists, and gets a name as it is.
        case existing(NamespaceSource)
    }

    package var name: Naming
    package var kind: Kind
    package var labels: Labels
    package var leaseSeconds: Int64?
    package var authority: Authority
    package var request: RequestMark?
    /// The room that it takes.
    package var reservation: Reservation?
    /// Called when the slow part is done, or was in advance, with zero: the rest takes a tenth of a millisecond. Before,
    /// with how long the slow part is likely to take, where that is known. Only if nothing else is being made; on any
    /// thread, and perhaps twice.
    package var isNearlyDone: (@Sendable (Duration) -> Void)?

    /// How it is to be called.
    package enum Naming: Sendable, Equatable {
        case exactly(NamespaceName)
        /// As we like, beginning with the prefix.
        case generated(prefix: String)
    }

    package init(
        _ name: Naming, _ kind: Kind = .new(.up), labels: Labels = Labels(), leaseSeconds: Int64? = nil,
        by authority: Authority = .unlimited, request: RequestMark? = nil
    ) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.leaseSeconds = leaseSeconds
        self.authority = authority
        self.request = request
    }

    /// The same, with the room that it is to take.
    package func within(_ reservation: Reservation) -> Creation {
        var creation = self
        creation.reservation = reservation
        return creation
    }
}

/// What a client asks to change of a namespace.
package struct Patch: Sendable, Equatable {
    package enum LabelChange: Sendable, Equatable {
        /// Sets those with a value and removes those without.
        case merge([String: String?])
        case removeAll
    }

    package enum LeaseChange: Sendable, Equatable {
        /// No lease: the namespace stays until it is deleted.
        case pin
        /// A lease of that many seconds, from now on.
        case seconds(Int64)
    }

    package var labels: LabelChange?
    package var lease: LeaseChange?

    package init(labels: LabelChange? = nil, lease: LeaseChange? = nil) {
        self.labels = labels
        self.lease = lease
    }
}

/// The state that a namespace must be in, or must not, for something to be done (RFC 9110, sections 13.1.1 and 13.1.2).
package enum Precondition: Sendable, Equatable {
    /// It exists.
    case any
    /// Its tag is one of these.
    case tags([String])

    func holds(for namespace: Namespace) -> Bool {
        switch self {
        case .any: true
        case .tags(let tags): tags.contains(namespace.tag)
        }
    }
}
