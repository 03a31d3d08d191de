// SPDX-License-Identifier: Apache-2.0

import Access
import Foundation
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// A coordinator with keys, and somebody who has just been given one.
struct LockedBench {
    let bench: Bench
    let coordinator: CoordinatorService
    let endpoint: Endpoint
    /// Of whoever may read the home.
    let local: Credentials

    init() throws {
        bench = try Bench()
        coordinator = try bench.coordinator(keys: true)
        endpoint = try coordinator.start()
        local = try bench.local()
    }

    var admin: FleetClient { client(local.security) }

    func client(_ security: SocketSecurity) -> FleetClient {
        FleetClient(endpoint, security: security, connectTimeout: .seconds(5))
    }

    /// The security of a key that nobody has heard of.
    func stranger() throws -> SocketSecurity { .client(server: local.serverKey, keys: try .generate()) }

    /// Lets a new key in.
    func allow(_ roles: Set<Role>, _ name: String) async throws -> SocketSecurity {
        let keys = try CurveKeyPair.generate(), admin = admin
        _ = try await aside { try admin.keys(.allow(key: keys.publicKey.z85, roles: roles, name: name)).token }
        return .client(server: local.serverKey, keys: keys)
    }

    func worker(_ name: String, _ security: SocketSecurity, _ trainer: FakeTrainer = FakeTrainer()) throws -> WorkerService {
        try bench.worker(name, at: endpoint, trainer) { $0.security = security }
    }

    /// The code with which a question is turned down; nil if it is answered.
    func code(_ security: SocketSecurity, _ ask: @escaping @Sendable (FleetClient) throws -> Void) async -> FleetError.Code? {
        let client = client(security)
        do {
            try await aside { try ask(client) }
            return nil
        } catch {
            return (error as? FleetError)?.code
        }
    }

    func expectProblem(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await coordinator.wait("the problem is shown: \(text)", sourceLocation: sourceLocation) { status in
            status.problems.contains { $0.contains(text) }
        }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct KeyTests {
    private let locked: LockedBench
    private var coordinator: CoordinatorService { locked.coordinator }

    init() throws { locked = try LockedBench() }

    @Test func withItsKeysAFleetWorksAsWithout() async throws {
        #expect(locked.local.roles == [.admin, .worker])
        let worker = try locked.worker("ada", locked.local.security)
        try locked.bench.makePictures(3)
        let study = FakeStudy { $0.steps = 20 }
        try await coordinator.submit(study, picturesOf: locked.bench)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        let admin = locked.admin
        let status = try await aside { try admin.status() }
        #expect(status.workers[0].key == locked.local.keys.publicKey.short && status.problems.isEmpty)
        worker.stop()
        coordinator.stop()
    }

    @Test func aStrangersKeyIsRefusedAndShown() async throws {
        let stranger = try locked.stranger()
        #expect(await locked.code(stranger) { _ = try $0.status() } == .refused)
        try await locked.expectProblem("a stranger's key")
        let worker = try locked.worker("ada", stranger)
        guard case .denied(let reason) = await worker.waitUntilStopped() else {
            Issue.record("a stranger was let in")
            return
        }
        #expect(!reason.isEmpty && !reason.contains("\n"))
        #expect(coordinator.status().workers.isEmpty)
        coordinator.stop()
    }

    @Test func withoutKeysOrWithAnotherCoordinatorsNobodyGetsIn() async throws {
        let other = try CurveKeyPair.generate()
        let client = FleetClient(locked.endpoint, connectTimeout: .milliseconds(800))
        let confused = FleetClient(
            locked.endpoint, security: .client(server: other.publicKey, keys: locked.local.keys), connectTimeout: .milliseconds(800))
        for client in [client, confused] {
            await #expect(throws: FleetError.self) { try await aside { try client.status() } }
        }
        try await locked.expectProblem("without a valid handshake")
        // Others do not notice.
        #expect(await locked.code(locked.local.security) { _ = try $0.status() } == nil)
        coordinator.stop()
    }

    @Test func aKeyMayDoWhatItsRolesSayAndNothingElse() async throws {
        let (worker, client) = (try await locked.allow([.worker], "box"), try await locked.allow([.client], "laptop"))
        // A worker's key is no client's: not even a question is answered.
        #expect(await locked.code(worker) { _ = try $0.status() } == .refused)
        #expect(await locked.code(worker) { _ = try $0.command(.cancel, "teal-heart") } == .refused)
        // A client asks and submits, and commands nothing.
        try await coordinator.submit()
        #expect(await locked.code(client) { _ = try $0.status() } == nil)
        #expect(await locked.code(client) { _ = try $0.explain("teal-heart", trial: 0) } == nil)
        #expect(await locked.code(client) { _ = try $0.log(limit: 5) } == nil)
        for kind in [FleetCommandKind.cancel, .pause, .resume, .prioritize, .drain] {
            #expect(await locked.code(client) { _ = try $0.command(kind, "teal-heart") } == .refused)
        }
        #expect(await locked.code(client) { _ = try $0.keys(.show) } == .refused)
        #expect(await locked.code(client) { _ = try $0.keys(.token(roles: [.admin], name: "me")) } == .refused)
        #expect(coordinator.status().studies[0].state == .waiting)
        // Nor does it work.
        let ada = try locked.worker("ada", client)
        guard case .denied(let reason) = await ada.waitUntilStopped() else {
            Issue.record("a client's key works")
            return
        }
        #expect(reason.contains("worker"))
        try await locked.expectProblem("asked to be worker, its key may only be client")
        coordinator.stop()
    }

    @Test(arguments: [true, false])
    func aRevokedKeyIsDroppedAtOnceAndItsWorkGoesToOthers(onDisk: Bool) async throws {
        let security = try await locked.allow([.worker], "box")
        let gate = Gate()
        let victim = try locked.worker("victim", security, FakeTrainer(beforeStep: { if $0 == 15 { gate.pass() } }))
        try await coordinator.submit()
        try await coordinator.wait("it is in the middle of a segment") { _ in gate.hasVisitor }
        if onDisk {
            _ = try KeyStore(existingIn: locked.bench.home).update { list throws(AccessError) in try list.revoke("box") }
        } else {
            let admin = locked.admin
            let entries = try await aside { try admin.keys(.revoke("box")).entries }
            #expect(!entries.contains { $0.name == "box" })
        }
        try await coordinator.wait("it is gone") { $0.workers.isEmpty }
        gate.open()
        #expect(await victim.waitUntilStopped() == .denied("this key was revoked"))
        let again = try locked.worker("again", security)
        #expect(await again.waitUntilStopped() != .stopped)
        let heir = try locked.worker("heir", locked.local.security)
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        try await locked.bench.expectUndisturbedResult()
        heir.stop()
        coordinator.stop()
    }

    @Test func aRevokedClientIsRefusedAlsoOnAnOpenConnection() async throws {
        let security = try await locked.allow([.client], "laptop")
        let peer = try RawPeer(locked.endpoint, security: security)
        try peer.send(.hello(RawPeer.hello(.client)))
        _ = try await peer.next { if case .welcome(let welcome) = $0 { welcome } else { nil } }
        let admin = locked.admin
        _ = try await aside { try admin.keys(.revoke("laptop")).token }
        #expect(try await peer.next(RawPeer.denial).code == .forbidden)
        try peer.send(.statusRequest(WireStatusRequest()))
        #expect(try await peer.next(RawPeer.refusal) == .refused)
        peer.stop()
        coordinator.stop()
    }

    /// A worker's name is its key, not what it says.
    @Test func nobodyTakesAnothersPlace() async throws {
        let id = UUID().uuidString.lowercased()
        let (mine, theirs) = (try await locked.allow([.worker], "mine"), try await locked.allow([.worker], "theirs"))
        let owner = try RawPeer(locked.endpoint, security: mine), thief = try RawPeer(locked.endpoint, security: theirs)
        try await owner.joinAsWorker(id: id)
        try thief.send(.hello(RawPeer.hello(.worker, id: id)))
        #expect(try await thief.next(RawPeer.denial).code == .forbidden)
        try await locked.expectProblem("calls itself like a worker with another key")
        try await coordinator.wait("the owner is there") { $0.workers.map(\.id) == [id] }
        owner.stop()
        thief.stop()
        coordinator.stop()
    }

    @Test func anAllowListThatIsBrokenLeavesTheOneBeforeInForce() async throws {
        let client = try await locked.allow([.client], "laptop")
        let list = locked.bench.home.appendingPathComponent("keys/allow-list")
        let good = try Data(contentsOf: list)
        // In place: a new file would have the rights of this process's mask.
        let handle = try FileHandle(forWritingTo: list)
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: Data("nonsense\n".utf8))
        try handle.close()
        try await locked.expectProblem("the allow-list cannot be read")
        #expect(await locked.code(client) { _ = try $0.status() } == nil)
        let again = try FileHandle(forWritingTo: list)
        try again.write(contentsOf: good)
        try again.close()
        _ = try await locked.allow([.client], "desk")
        coordinator.stop()
    }
}
