// SPDX-License-Identifier: Apache-2.0

import Access
import Foundation
import SwiftProtobuf
import Testing
import WireMessages
import ZeroMQ

@testable import Fleet

/// How a box becomes one of the fleet.
@Suite(.timeLimit(.minutes(1)))
struct JoinTests {
    private let locked: LockedBench
    private var coordinator: CoordinatorService { locked.coordinator }

    init() throws { locked = try LockedBench() }

    /// The configuration of a box of its own.
    private func box(_ name: String) -> CredentialStore {
        CredentialStore(environment: ["PSEUDOWORD_CONFIG": locked.bench.folder.appendingPathComponent("box-\(name)").path])
    }

    private func join(_ token: String, _ name: String) async throws -> Credentials { try await joining(token, name).credentials }

    private func joining(_ token: String, _ name: String) async throws -> Joining {
        let store = box(name)
        return try await aside {
            try FleetClient.join(JoinToken(text: token), name: name, store: store, program: "test 1", connectTimeout: .seconds(5))
        }
    }

    @Test func aTokenLetsOneBoxInForGood() async throws {
        let token = try coordinator.joinToken()
        // It is shown again until somebody has used it.
        #expect(try coordinator.joinToken() == token)
        let credentials = try await join(token, "ada")
        #expect(credentials.roles == [.worker] && credentials.endpoints == [locked.endpoint])
        #expect(credentials.serverKey == locked.local.serverKey)
        #expect(try box("ada").find(locked.endpoint) == credentials)
        #expect(try coordinator.joinToken() != token)
        let admin = locked.admin
        let entries = try await aside { try admin.keys(.show).entries }
        #expect(entries.contains { $0.name == "ada" && $0.roles == [.worker] && !$0.isOneTime })
        #expect(entries.contains { $0.isOneTime && $0.isUsed })
        let worker = try locked.worker("ada", credentials.security)
        try await coordinator.submit()
        #expect(try await coordinator.waitUntilEnded().state == .complete)
        #expect(coordinator.status().workers.map(\.key) == [credentials.keys.publicKey.short])
        worker.stop()
        coordinator.stop()
    }

    @Test func aTokenThatWasUsedIsRefusedAndShown() async throws {
        let token = try coordinator.joinToken()
        let first = try await join(token, "ada")
        let error = await #expect(throws: FleetError.self) { try await join(token, "ben") }
        #expect(error?.code == .refused)
        try await locked.expectProblem("a join token that was used before")
        // The box that used it may say it again: it is in already.
        let again = try await joining(token, "ada")
        #expect(again.credentials.keys == first.keys && again.credentials.roles == [.worker] && !again.isNew)
        // The other one has a key of its own by now, which was never allowed.
        let second = await #expect(throws: FleetError.self) { try await join(token, "ben") }
        #expect(second?.code == .refused && second?.message.contains("used by another box or revoked") == true)
        #expect(await locked.code(first.security) { _ = try $0.status() } == .refused)
        let worker = try locked.worker("ada", first.security)
        try await coordinator.wait("it works") { $0.workers.count == 1 }
        worker.stop()
        coordinator.stop()
    }

    @Test func aBoxWhoseKeyWasRevokedHasNotJoined() async throws {
        let token = try coordinator.joinToken()
        #expect(try await joining(token, "ada").isNew)
        let admin = locked.admin
        _ = try await aside { try admin.keys(.revoke("ada")).token }
        let error = await #expect(throws: FleetError.self) { try await join(token, "ada") }
        #expect(error?.code == .refused)
        // A new token lets it in again, under the key that it has.
        #expect(try await joining(try coordinator.joinToken(), "ada").isNew)
        coordinator.stop()
    }

    /// What a used token would have given is not given, nor shown.
    @Test func aTokenThatSomebodyElseUsedGivesNothing() async throws {
        #expect(try await join(try coordinator.joinToken(), "ada").roles == [.worker])
        let admin = locked.admin
        let token = try await aside { try admin.keys(.token(roles: [.client], name: "")).token }
        _ = try await join(token, "ben")
        let outcome = try await joining(token, "ada")
        #expect(!outcome.isNew && outcome.credentials.roles == [.worker])
        #expect(try box("ada").find(locked.endpoint)?.roles == [.worker])
        coordinator.stop()
    }

    /// The answer was lost; the connection is still there.
    @Test func theSameJoinIsAnsweredAgain() async throws {
        let token = try JoinToken(text: coordinator.joinToken()), keys = try CurveKeyPair.generate()
        let peer = try RawPeer(locked.endpoint, security: .client(server: token.serverKey, keys: token.keys))
        func join(_ key: CurvePublicKey) throws {
            try peer.send(.join(.with { ($0.publicKey, $0.name, $0.host) = (key.bytes, "box", "here") }))
        }
        func joined(_ payload: WireEnvelope.OneOf_Payload) -> WireJoined? { if case .joined(let joined) = payload { joined } else { nil } }
        for _ in 0..<2 {
            try join(keys.publicKey)
            let answer = try await peer.next(joined)
            #expect(answer.roles == [.worker] && answer.blobPort > 0)
        }
        // Another key under the same token is a thief's; by now the token's key may do nothing at all.
        try join(CurveKeyPair.generate().publicKey)
        #expect(try await peer.next(RawPeer.refusal) == .refused)
        #expect(try KeyStore(existingIn: locked.bench.home).allowList().entries.filter { $0.name.hasPrefix("box") }.count == 1)
        peer.stop()
        coordinator.stop()
    }

    @Test func anOpenTokenIsGoodForJoiningOnly() async throws {
        let token = try JoinToken(text: coordinator.joinToken())
        let security = SocketSecurity.client(server: token.serverKey, keys: token.keys)
        #expect(await locked.code(security) { _ = try $0.status() } == .refused)
        let worker = try locked.worker("ada", security)
        guard case .denied = await worker.waitUntilStopped() else {
            Issue.record("a token works")
            return
        }
        coordinator.stop()
    }

    @Test func anAdminMakesTokensForAnyRoleFromAfar() async throws {
        let admin = locked.admin
        let token = try await aside { try admin.keys(.token(roles: [.client], name: "laptop")).token }
        let laptop = try await join(token, "laptop")
        #expect(laptop.roles == [.client])
        #expect(await locked.code(laptop.security) { _ = try $0.status() } == nil)
        #expect(await locked.code(laptop.security) { _ = try $0.command(.cancel, "x") } == .refused)
        let second = try await aside { try admin.keys(.token(roles: [.worker, .admin], name: "")).token }
        #expect(try await join(second, "root").roles == [.admin, .worker])
        coordinator.stop()
    }

    @Test func keysAreTheSameAfterARestart() async throws {
        let credentials = try await join(try coordinator.joinToken(), "ada")
        let open = try coordinator.joinToken()
        let worker = try locked.worker("ada", credentials.security)
        try await coordinator.submit(FakeStudy { $0.steps = 30 })
        try await coordinator.wait("it works") { ($0.trial?.step ?? 0) > 0 }
        coordinator.kill()
        let second = try await locked.bench.restart(at: locked.endpoint, keys: true)
        #expect(try locked.bench.local().keys == locked.local.keys && locked.bench.local().serverKey == locked.local.serverKey)
        #expect(try await second.waitUntilEnded().state == .complete)
        #expect(try second.joinToken() == open)
        worker.stop()
        second.stop()
    }

    @Test func withoutKeysThereIsNothingToJoin() async throws {
        let bench = try Bench()
        let open = try bench.coordinator()
        let endpoint = try open.start()
        #expect(throws: FleetError.self) { try open.joinToken() }
        let peer = try RawPeer(endpoint)
        try peer.send(.join(.with { ($0.publicKey, $0.name, $0.host) = (Data(count: 32), "box", "here") }))
        #expect(try await peer.next(RawPeer.refusal) == .refused)
        peer.stop()
        open.stop()
        coordinator.stop()
    }
}
