// SPDX-License-Identifier: Apache-2.0
package import ZeroMQ

/// Which keys may connect to a coordinator, and what each of them may do.
///
/// A plain value: the same operations in the same order give the same list. A key that stands in no entry gets nothing.
package struct AllowList: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package enum Kind: Sendable, Hashable {
            /// Somebody who is let in.
            case member
            /// The key inside a join token. It is good for one thing: to name, once, the key of a new member.
            case oneTime(usedBy: CurvePublicKey?)
        }

        package let key: CurvePublicKey
        package let roles: Set<Role>
        package let name: String
        /// Milliseconds since 1970, UTC.
        package let added: Int64
        package let kind: Kind

        /// When it was added, as in `2026-01-31T08:00:00.000Z`.
        package var addedText: String { UTCTime(milliseconds: added).text }
    }

    /// What a key is to this list.
    package enum Standing: Sendable, Equatable {
        case member(Entry)
        case openToken(Entry)
        case usedToken(Entry)
        case unknown
    }

    package enum JoinOutcome: Sendable, Equatable {
        case joined(Entry)
        /// The same key has joined with the same token before, and its answer was lost.
        case again(Entry)
    }

    package static let mostEntries = 100_000

    /// In the order in which they were added.
    package private(set) var entries: [Entry] = []
    private var places: [CurvePublicKey: Int] = [:]

    package init() {}

    package static func == (left: Self, right: Self) -> Bool { left.entries == right.entries }

    package subscript(key: CurvePublicKey) -> Entry? { places[key].map { entries[$0] } }

    // MARK: Questions

    /// What may be done under a key; nil if it may not even connect.
    ///
    /// A join token that was not used yet may connect and has no role: all it may do is to join.
    package func permits(_ key: CurvePublicKey) -> Set<Role>? {
        switch standing(of: key) {
        case .member(let entry): entry.roles
        case .openToken: []
        case .usedToken, .unknown: nil
        }
    }

    package func standing(of key: CurvePublicKey) -> Standing {
        guard let entry = self[key] else { return .unknown }
        return switch entry.kind {
        case .member: .member(entry)
        case .oneTime(nil): .openToken(entry)
        case .oneTime: .usedToken(entry)
        }
    }

    // MARK: Changes

    /// Lets a key in, or changes the roles and the name of one that is in already.
    @discardableResult
    package mutating func allow(_ key: CurvePublicKey, roles: Set<Role>, name: String, at added: Int64) throws(AccessError) -> Entry {
        guard !roles.isEmpty else { throw AccessError(.invalid, "a key without a role is of no use; give it worker, client or admin") }
        try PeerName.check(name)
        switch standing(of: key) {
        case .openToken(let entry), .usedToken(let entry):
            throw AccessError(.exists, "this key is the one of join token \(entry.name); the key of a box is made on the box")
        case .member(let old):
            return try put(Entry(key: key, roles: roles, name: name, added: old.added, kind: .member))
        case .unknown:
            return try put(Entry(key: key, roles: roles, name: name, added: added, kind: .member))
        }
    }

    /// Notes the public key of a new join token.
    @discardableResult
    package mutating func issueToken(_ key: CurvePublicKey, roles: Set<Role>, name: String, at added: Int64) throws(AccessError) -> Entry {
        guard !roles.isEmpty else {
            throw AccessError(.invalid, "a join token without a role is of no use; give it worker, client or admin")
        }
        try PeerName.check(name)
        guard self[key] == nil else { throw AccessError(.exists, "this key is in the list already") }
        return try put(Entry(key: key, roles: roles, name: name, added: added, kind: .oneTime(usedBy: nil)))
    }

    /// Makes `key` a member with the roles of an open token, which is burnt.
    ///
    /// - Parameters:
    ///   - token: the key under which the request came.
    ///   - name: what the newcomer calls itself; it is cleaned, and numbered where it is taken.
    /// - Throws: `.replayed` when another key has used the token, `.revoked` when the key that came of it was revoked, `.notFound` for
    ///   what is no token, `.exists` when the new key has another place in the list.
    package mutating func join(
        token: CurvePublicKey, key: CurvePublicKey, name: String, at added: Int64
    ) throws(AccessError) -> JoinOutcome {
        guard let place = places[token], case .oneTime(let user) = entries[place].kind else {
            throw AccessError(.notFound, "this key is not the one of a join token; ask for a new token")
        }
        let entry = entries[place]
        if let user {
            guard user == key else {
                throw AccessError(.replayed, "join token \(entry.name) was used already, by another key; ask for a new token")
            }
            guard let member = self[key], member.kind == .member else {
                throw AccessError(.revoked, "the key that joined with token \(entry.name) was revoked; ask for a new token")
            }
            return .again(member)
        }
        switch standing(of: key) {
        case .openToken, .usedToken:
            throw AccessError(.exists, "a join token's own key cannot be the key of a member; make a new pair")
        case .member(let old):
            // A box that lost its credentials but not its key; it keeps what it has and gains what the token says.
            burn(place, by: key)
            return .joined(try put(Entry(key: key, roles: old.roles.union(entry.roles), name: old.name, added: old.added, kind: .member)))
        case .unknown:
            guard entries.count < Self.mostEntries else { throw Self.full }
            burn(place, by: key)
            let free = freeName(PeerName.cleaned(name, otherwise: entry.name))
            return .joined(try put(Entry(key: key, roles: entry.roles, name: free, added: added, kind: .member)))
        }
    }

    /// Takes a member or a token out, by its key or its name.
    ///
    /// The tokens by which a member came stay: they remain used.
    @discardableResult
    package mutating func revoke(_ keyOrName: String) throws(AccessError) -> Entry {
        let found: [Entry]
        if let key = try? CurvePublicKey(z85: keyOrName) {
            found = self[key].map { [$0] } ?? []
        } else {
            // Used tokens are history and cannot be meant; by their key they can be forgotten all the same.
            found = entries.filter { entry in
                if case .oneTime(.some) = entry.kind { return false }
                return entry.name == keyOrName
            }
        }
        guard let entry = found.first else {
            throw AccessError(.notFound, "no key or name \"\(keyOrName.shown)\" in the list; see: pseudoword keys show")
        }
        guard found.count == 1 else {
            let keys = found.prefix(4).map(\.key.z85).joined(separator: "  ")
            throw AccessError(.ambiguous, "\(found.count) keys are called \(entry.name); name one of them: \(keys)")
        }
        if case .oneTime(.some) = entry.kind {
            throw AccessError(.invalid, "join token \(entry.name) was used and is refused anyway; revoke the key that came of it")
        }
        entries.removeAll { $0.key == entry.key }
        places = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.key, $0) })
        return entry
    }

    // MARK: Inside

    /// Adds an entry as it is, or replaces the one of its key.
    @discardableResult
    mutating func put(_ entry: Entry) throws(AccessError) -> Entry {
        if let place = places[entry.key] {
            entries[place] = entry
        } else {
            guard entries.count < Self.mostEntries else { throw Self.full }
            places[entry.key] = entries.count
            entries.append(entry)
        }
        return entry
    }

    private mutating func burn(_ place: Int, by key: CurvePublicKey) {
        let token = entries[place]
        entries[place] = Entry(key: token.key, roles: token.roles, name: token.name, added: token.added, kind: .oneTime(usedBy: key))
    }

    /// The name itself, or with the lowest number behind it that makes it one that nobody has.
    package func freeName(_ name: String) -> String {
        let taken = Set(entries.map(\.name))
        guard taken.contains(name) else { return name }
        var number = 2
        while true {
            let suffix = "-\(number)"
            let candidate = String(name.prefix(PeerName.longest - suffix.utf8.count)) + suffix
            if !taken.contains(candidate) { return candidate }
            number += 1
        }
    }

    private static var full: AccessError {
        AccessError(.invalid, "the list is full (\(mostEntries) keys); revoke keys that are not needed any more")
    }
}
