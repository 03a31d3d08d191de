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
    /// goes on where it stopped.
    /// - Returns: the credentials for everything that follows.
    /// - Throws: `FleetError`: `.refused` for a token that was used, `.unreachable`.
    package static func join(
        _ token: JoinToken, name: String, store: CredentialStore, program: String, connectTimeout: Duration = .seconds(10)
    ) throws -> Credentials {
        let known = try store.find(server: token.serverKey)
        var credentials = try store.credentials(for: token)
        var join = WireJoin()
        join.publicKey = credentials.keys.publicKey.bytes
        join.name = WireText.clipped(name, limit: WireLimits.nameBytes)
        join.host = WireText.clipped(ProcessInfo.processInfo.hostName, limit: WireLimits.nameBytes)
        var failure = FleetError(.invalid, "the token names no coordinator")
        for endpoint in token.endpoints {
            let client = FleetClient(
                endpoint, security: .client(server: token.serverKey, keys: token.keys), program: program, connectTimeout: connectTimeout)
            do {
                guard case .joined(let joined) = try client.ask(.join(join)) else { throw client.unexpected }
                credentials.roles = Set(joined.roles.compactMap(Role.init))
                // The address that worked comes first from now on.
                credentials.endpoints = [endpoint] + credentials.endpoints.filter { $0 != endpoint }
                try store.save(credentials)
                return credentials
            } catch let error as FleetError {
                failure = error
                // The token was used, and most likely here: the key that is kept will show whether it was.
                if error.code == .refused, known != nil { return credentials }
                if error.code != .unreachable { break }
            }
        }
        throw failure
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
