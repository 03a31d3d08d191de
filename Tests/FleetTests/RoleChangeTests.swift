// SPDX-License-Identifier: Apache-2.0

import Access
import Foundation
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// What changes of the allow-list mean for those who are in, or knock just then.
@Suite(.timeLimit(.minutes(1)))
struct RoleChangeTests {
    private let locked: LockedBench
    private var coordinator: CoordinatorService { locked.coordinator }

    init() throws { locked = try LockedBench() }

    /// Gives a key other roles, as `pseudoword keys allow` does.
    private func change(_ security: SocketSecurity, _ roles: Set<Role>, _ name: String, onDisk: Bool = true) async throws {
        guard case .client(_, let keys) = security else { return }
        if onDisk {
            _ = try KeyStore(existingIn: locked.bench.home).update { list throws(AccessError) in
                try list.allow(keys.publicKey, roles: roles, name: name, at: 1)
            }
        } else {
            let admin = locked.admin
            _ = try await aside { try admin.keys(.allow(key: keys.publicKey.z85, roles: roles, name: name)).token }
        }
    }

    @Test(arguments: [true, false])
    func aWorkersKeyThatBecomesAClientsWorksNoMore(onDisk: Bool) async throws {
        let security = try await locked.allow([.worker], "box")
        let peer = try RawPeer(locked.endpoint, security: security)
        try await peer.joinAsWorker()
        try await coordinator.wait("it is there") { $0.workers.count == 1 }
        try await change(security, [.client], "box", onDisk: onDisk)
        let denied = try await peer.next(RawPeer.denial)
        #expect(denied.code == .forbidden && denied.reason == "this key may not be a worker any more")
        try await coordinator.wait("it is gone") { $0.workers.isEmpty }
        // The key is a client's from now on, also over this very connection.
        try peer.send(.hello(RawPeer.hello(.client)))
        _ = try await peer.next { if case .welcome(let welcome) = $0 { welcome } else { nil } }
        peer.stop()
        coordinator.stop()
    }

    @Test func aClientsKeyThatBecomesAWorkersAsksNoMore() async throws {
        let security = try await locked.allow([.client], "laptop")
        let peer = try RawPeer(locked.endpoint, security: security)
        try peer.send(.hello(RawPeer.hello(.client)))
        _ = try await peer.next { if case .welcome(let welcome) = $0 { welcome } else { nil } }
        try await change(security, [.worker], "laptop")
        #expect(try await peer.next(RawPeer.denial).reason == "this key may not be a client any more")
        try peer.send(.statusRequest(WireStatusRequest()))
        #expect(try await peer.next(RawPeer.refusal) == .helloRequired)
        peer.stop()
        coordinator.stop()
    }

    @Test func whoeverKeepsARoleIsNotDisturbed() async throws {
        let security = try await locked.allow([.worker], "box")
        let worker = try locked.worker("ada", security)
        let before = try await coordinator.wait("it is there") { $0.workers.count == 1 }
        try await change(security, [.worker, .client], "box")
        // The new role holds for new conversations at once.
        #expect(await locked.code(security) { _ = try $0.status() } == nil)
        try await change(security, [.worker], "box")
        let end = ContinuousClock.now + .seconds(5)
        while await locked.code(security, { _ = try $0.status() }) != .refused {
            guard ContinuousClock.now < end else {
                Issue.record("a role that was taken away is still there")
                break
            }
        }
        #expect(coordinator.status().workers.map(\.id) == before.workers.map(\.id))
        worker.stop()
        coordinator.stop()
    }

    /// Changes count before the coordinator next looks at the file by itself: twice a second at most, with this patience.
    @Test func whatWasAllowedAMomentAgoIsLetIn() async throws {
        let bench = try Bench()
        let slow = try bench.coordinator(keys: true, heartbeat: .seconds(2))
        let endpoint = try slow.start()
        let store = try KeyStore(existingIn: bench.home), server = try bench.local().serverKey
        for number in 0..<4 {
            let token = try store.makeToken(roles: [.worker], endpoints: [endpoint], at: 1)
            let box = CredentialStore(environment: ["PSEUDOWORD_CONFIG": bench.folder.appendingPathComponent("box-\(number)").path])
            let joining = try await aside { try FleetClient.join(token, name: "box", store: box, program: "test 1") }
            #expect(joining.isNew)
            // The same for a key, and for a role of a key that is there already.
            let keys = try CurveKeyPair.generate(), client = FleetClient(endpoint, security: .client(server: server, keys: keys))
            for roles in [[.client], [.worker], [.client]] as [Set<Role>] {
                _ = try store.update { list throws(AccessError) in
                    try list.allow(keys.publicKey, roles: roles, name: "laptop-\(number)", at: 1)
                }
                if roles == [.client] { _ = try await aside { try client.status() } }
            }
        }
        slow.stop()
        coordinator.stop()
    }

    @Test func aRoleThatNobodyKnowsIsRefusedByItsNumber() async throws {
        let admin = locked.admin, key = try CurveKeyPair.generate().publicKey
        for action in [WireKeysAction.allow, .token] {
            var request = WireKeysRequest()
            (request.action, request.key, request.name, request.roles) = (action, key.z85, "box", [1, 9])
            let question = request
            let error = await #expect(throws: FleetError.self) { try await aside { try admin.ask(.keysRequest(question)) } }
            #expect(error?.code == .invalid && error?.message.contains("no role 9") == true)
        }
        let entries = try KeyStore(existingIn: locked.bench.home).allowList().entries
        #expect(entries.map(\.name) == ["local"])
        coordinator.stop()
    }

    @Test func aClientSaysGoodbye() async throws {
        let laptop = try await locked.allow([.client], "laptop"), admin = locked.admin
        #expect(await locked.code(laptop) { _ = try $0.status() } == nil)
        let end = ContinuousClock.now + .seconds(5)
        while true {
            let entry = try await aside { try admin.keys(.show).entries }.first { $0.name == "laptop" }
            if entry?.isConnected == false { break }
            guard ContinuousClock.now < end else {
                Issue.record("its conversation goes on: \(String(describing: entry))")
                break
            }
        }
        coordinator.stop()
    }
}
