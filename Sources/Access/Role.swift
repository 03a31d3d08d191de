// SPDX-License-Identifier: Apache-2.0

/// What the holder of a key may do.
package enum Role: String, Sendable, CaseIterable, Comparable, Codable {
    /// Cancel, drain, change priorities and keys, and all that a client may.
    case admin
    /// Submit, and look at everything.
    case client
    /// Take work.
    case worker

    package static func < (left: Role, right: Role) -> Bool { left.rawValue < right.rawValue }
}

extension Set<Role> {
    /// Whether one of them is enough for what asks for `role`.
    package func allows(_ role: Role) -> Bool { contains(role) || (role == .client && contains(.admin)) }

    /// Their names with plus signs between them, in the order of the alphabet.
    package var text: String { sorted().map(\.rawValue).joined(separator: "+") }

    /// Parses `worker`, `admin+worker` or `admin,worker`.
    package init(roles text: String) throws(AccessError) {
        self = []
        for part in text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "+" || $0 == "," }) {
            guard let role = Role(rawValue: String(part)) else {
                throw AccessError(.invalid, "\"\(part.shown)\" is no role; the roles are worker, client and admin, as in admin+worker")
            }
            guard insert(role).inserted else { throw AccessError(.invalid, "the role \(role.rawValue) stands there twice") }
        }
    }
}
