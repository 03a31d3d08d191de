// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Testing
import ZeroMQ

@testable import Fleet

/// Conversations: a worker has one at most, and nobody takes another's.
struct SessionTests {
    private let ada = WorkerID("ada")
    private let key = CurvePublicKey(bytes: [UInt8](repeating: 1, count: 32)),
        other = CurvePublicKey(bytes: [UInt8](repeating: 2, count: 32))

    private func peer(_ number: UInt8, _ key: CurvePublicKey? = nil) -> PeerID { PeerID(bytes: Data([number]), key: key) }

    private func at(_ seconds: Int64) -> Instant { Instant(milliseconds: seconds * 1000) }

    @Test func aWorkersNewConversationTakesTheOldOnesPlace() {
        var table = SessionTable()
        let first = table.open(peer(1, key), worker: ada, about: WorkerDescription(name: "ada"), at: at(0))
        let second = table.open(peer(2, key), worker: ada, about: WorkerDescription(name: "ada"), at: at(1))
        #expect(first != nil && second != nil && first?.name != second?.name)
        #expect(table[peer(1, key)] == nil && table.peer(of: ada) == peer(2, key))
        #expect(table.workers.map(\.key) == [peer(2, key)])
        // The end of the old connection is not the end of the worker.
        let old = table.close(peer(1, key))
        #expect(old == nil && table.peer(of: ada) == peer(2, key))
        let new = table.close(peer(2, key))
        #expect(new == ada && table.peer(of: ada) == nil && table.workers.isEmpty)
    }

    @Test func anotherKeyDoesNotGetAWorkersName() {
        var table = SessionTable()
        let owner = table.open(peer(1, key), worker: ada, about: nil, at: at(0))
        let thief = table.open(peer(2, other), worker: ada, about: nil, at: at(1))
        let nobody = table.open(peer(3), worker: ada, about: nil, at: at(1))
        #expect(owner != nil && thief == nil && nobody == nil)
        #expect(table.peer(of: ada) == peer(1, key) && table[peer(2, other)] == nil)
        table.close(peer(1, key))
        let heir = table.open(peer(2, other), worker: ada, about: nil, at: at(2))
        #expect(heir != nil)
    }

    @Test func theSameConnectionMayBecomeSomebodyElse() throws {
        var table = SessionTable()
        _ = table.open(peer(1, key), worker: ada, about: nil, at: at(0))
        _ = table.open(peer(1, key), worker: nil, about: nil, at: at(1))
        #expect(table.peer(of: ada) == nil && table[peer(1, key)]?.worker == nil && table.sessions.count == 1)
    }

    @Test func silentClientsAreForgottenAndWorkersAreNot() {
        var table = SessionTable()
        _ = table.open(peer(1), worker: ada, about: nil, at: at(0))
        _ = table.open(peer(2), worker: nil, about: nil, at: at(0))
        _ = table.open(peer(3), worker: nil, about: nil, at: at(0))
        table.note(messageFrom: peer(3), at: at(200))
        table.forgetSilent(at: at(301))
        let left: Set<PeerID> = [peer(1), peer(3)]
        #expect(Set(table.sessions.keys) == left)
    }

    @Test func aGoodbyeIsHeardAfterItsConnectionBroke() {
        var table = SessionTable()
        _ = table.open(peer(1, key), worker: ada, about: nil, at: at(0))
        let lost = table.lose(peer(1, key), at: at(1))
        let left = table.part(from: peer(1, key))
        let again = table.part(from: peer(1, key))
        #expect(lost == ada && left == ada && again == nil)
        // Whoever has come back has not left.
        _ = table.open(peer(2, key), worker: ada, about: nil, at: at(2))
        _ = table.lose(peer(2, key), at: at(3))
        _ = table.open(peer(3, key), worker: ada, about: nil, at: at(4))
        let older = table.part(from: peer(2, key))
        #expect(older == nil && table.peer(of: ada) == peer(3, key))
        // Nor does it wait for ever.
        _ = table.lose(peer(3, key), at: at(5))
        table.forgetSilent(at: at(65))
        let late = table.part(from: peer(3, key))
        #expect(late == nil)
    }

    @Test func theConversationsOfAKeyAreFound() throws {
        var table = SessionTable()
        let key = try #require(key), other = try #require(other)
        _ = table.open(peer(1, key), worker: ada, about: nil, at: at(0))
        _ = table.open(peer(2, key), worker: nil, about: nil, at: at(0))
        _ = table.open(peer(3, other), worker: nil, about: nil, at: at(0))
        _ = table.open(peer(4), worker: nil, about: nil, at: at(0))
        let found: Set<PeerID> = [peer(1, key), peer(2, key)]
        #expect(Set(table.conversations(of: [key])) == found)
        #expect(table.conversations(of: []).isEmpty)
    }
}
