// SPDX-License-Identifier: Apache-2.0

package import Access
package import Foundation
import Glibc
import WireMessages
import ZeroMQ

extension FleetClient {
    /// Joins a fleet with a one-time token: makes a key of this machine's own, and keeps it with the coordinator's.
    ///
    /// The key is on disk before the coordinator hears of it, so a broken connection loses nothing: joining again with the same token
    /// goes on where it stopped. Where the token was used, this machine's own key shows whether it was used here.
    /// - Throws: `FleetError`: `.refused` for a token that was used elsewhere or revoked, `.unreachable`.
    package static func join(
        _ token: JoinToken, name: String, store: CredentialStore, program: String, connectTimeout: Duration = .seconds(10)
    ) throws -> Joining {
        let known = try store.find(server: token.serverKey)
        var credentials = try store.credentials(for: token)
        var join = WireJoin()
        join.publicKey = credentials.keys.publicKey.bytes
        join.name = WireText.clipped(name, limit: WireLimits.nameBytes)
        join.host = WireText.clipped(ProcessInfo.processInfo.hostName, limit: WireLimits.nameBytes)
        func client(_ security: SocketSecurity) -> FleetClient {
            var client = FleetClient(token.endpoints[0], security: security, program: program, connectTimeout: connectTimeout)
            client.alternatives = Array(token.endpoints.dropFirst())
            return client
        }
        let newcomer = client(.client(server: token.serverKey, keys: token.keys))
        do {
            let (_, answer, endpoint) = try newcomer.converse(.join(join))
            guard case .joined(let joined) = answer else { throw newcomer.unexpected }
            credentials.roles = Set(joined.roles.compactMap(Role.init))
            // The address that worked comes first from now on.
            credentials.endpoints = [endpoint] + credentials.endpoints.filter { $0 != endpoint }
            try store.save(credentials)
            return Joining(credentials: credentials, isNew: true)
        } catch let error as FleetError where error.code == .refused {
            if let known {
                // What the token would have given was not given.
                credentials.roles = known.roles
                try store.save(credentials)
                if try client(credentials.security).isLetIn() { return Joining(credentials: credentials, isNew: false) }
            }
            // A token that is let in was refused for another reason, which the coordinator has said.
            guard try !newcomer.isLetIn() else { throw error }
            throw FleetError(
                .refused,
                "\(token.endpoints[0]) refuses this token: it was used by another box or revoked, and this box's own key is not allowed; ask for a new token (pseudoword keys token)"
            )
        }
    }

    /// Sees or changes who may do what; takes an admin's key.
    package func keys(_ action: KeysAction) throws(FleetError) -> (entries: [KeyListing], token: String) {
        var request = WireKeysRequest()
        switch action {
        case .show: request.action = .show
        case .allow(let key, let roles, let name):
            (request.action, request.key, request.name) = (.allow, key, name)
            request.roles = roles.sorted().map { UInt32($0.wire.rawValue) }
        case .revoke(let key): (request.action, request.key) = (.revoke, key)
        case .token(let roles, let name):
            (request.action, request.name) = (.token, name)
            request.roles = roles.sorted().map { UInt32($0.wire.rawValue) }
        }
        guard case .keysReply(let reply) = try ask(.keysRequest(request)) else { throw unexpected }
        return (reply.entries.map(KeyListing.init), reply.token)
    }
}

/// What became of an attempt to join.
package struct Joining: Sendable, Equatable {
    /// For everything that follows.
    package var credentials: Credentials
    /// False when this machine had joined before.
    package var isNew: Bool
}

package enum KeysAction: Sendable {
    case show
    case allow(key: String, roles: Set<Role>, name: String)
    case revoke(String)
    case token(roles: Set<Role>, name: String)
}

/// A key on the allow-list, as a client sees it.
package struct KeyListing: Sendable, Hashable {
    package var key: String
    package var roles: Set<Role>
    package var name: String
    package var added: Date
    package var isOneTime: Bool
    package var isUsed: Bool
    package var isConnected: Bool

    init(_ wire: WireKeyEntry) {
        key = wire.key
        roles = Set(wire.roles.compactMap { WireRole(rawValue: Int($0)).flatMap(Role.init) })
        name = wire.name
        added = Date(timeIntervalSince1970: Double(wire.addedMs) / 1000)
        (isOneTime, isUsed, isConnected) = (wire.oneTime, wire.used, wire.connected)
    }
}
