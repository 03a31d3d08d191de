// SPDX-License-Identifier: Apache-2.0

import Access
import Coordination
import Foundation
import WireMessages
import ZeroMQ

/// Who may connect, as administrators see and change it.
extension CoordinatorHandler {
    mutating func keys(_ request: WireKeysRequest, _ context: inout LoopContext) throws -> WireKeysReply {
        guard let store = doors.store else { throw FleetError(.refused, "this coordinator runs without keys (--insecure)") }
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        let roles = try Self.roles(request.roles)
        var reply = WireKeysReply()
        do throws(AccessError) {
            switch request.action {
            case .allow:
                let key = try Self.key(request.key)
                _ = try store.update { list throws(AccessError) in try list.allow(key, roles: roles, name: request.name, at: now) }
            case .revoke: _ = try store.update { list throws(AccessError) in try list.revoke(request.key) }
            case .token:
                let name = request.name.isEmpty ? nil : request.name
                reply.token = try store.makeToken(roles: roles, endpoints: options.reachable(listening: endpoint), name: name, at: now).text
            case .show, .unspecified, .UNRECOGNIZED: break
            }
        } catch {
            throw FleetError(error.code == .notFound ? .notFound : .invalid, error.description)
        }
        reloadKeys(&context)
        let connected = Set(sessions.sessions.keys.compactMap(\.key))
        reply.entries = doors.table.list.entries.map { $0.wire(isConnected: connected.contains($0.key)) }
        return reply
    }

    private static func roles(_ numbers: [UInt32]) throws(FleetError) -> Set<Role> {
        var roles: Set<Role> = []
        for number in numbers {
            guard let role = WireRole(rawValue: Int(number)).flatMap(Role.init) else {
                throw FleetError(
                    .invalid,
                    "there is no role \(number) here; the roles are 1 (worker), 2 (client) and 3 (admin), and the list is as before")
            }
            roles.insert(role)
        }
        return roles
    }

    private static func key(_ text: String) throws(AccessError) -> CurvePublicKey {
        do { return try CurvePublicKey(z85: text) } catch { throw AccessError(.invalid, error.message) }
    }
}

extension AllowList.Entry {
    fileprivate func wire(isConnected: Bool) -> WireKeyEntry {
        var wire = WireKeyEntry()
        wire.key = key.z85
        wire.roles = roles.sorted().map { UInt32($0.wire.rawValue) }
        wire.name = name
        wire.addedMs = added
        wire.connected = isConnected
        if case .oneTime(let user) = kind {
            wire.oneTime = true
            wire.used = user != nil
        }
        return wire
    }
}
