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

    @Test func aWorkersNewConversationTakesTheOldOnesPlace() throws {
        var table = SessionTable()
        let opened = [1, 2].map { number in
            table.open(peer(UInt8(number), key), worker: ada, about: WorkerDescription(name: "ada"), at: at(Int64(number)))
        }
        let (first, second) = (try #require(opened[0]), try #require(opened[1]))
        #expect(first.name != second.name && table[peer(1, key)] == nil && table.peer(of: ada) == peer(2, key))
        #expect(table.workers.map(\.key) == [peer(2, key)])
        // The end of the old connection is not the end of the worker.
        #expect(table.close(peer(1, key)) == nil && table.peer(of: ada) == peer(2, key))
        #expect(table.close(peer(2, key)) == ada && table.peer(of: ada) == nil && table.workers.isEmpty)
    }

    @Test func anotherKeyDoesNotGetAWorkersName() throws {
        var table = SessionTable()
        _ = table.open(peer(1, key), worker: ada, about: nil, at: at(0))
        #expect(table.open(peer(2, other), worker: ada, about: nil, at: at(1)) == nil)
        #expect(table.open(peer(3), worker: ada, about: nil, at: at(1)) == nil)
        #expect(table.peer(of: ada) == peer(1, key) && table[peer(2, other)] == nil)
        table.close(peer(1, key))
        #expect(table.open(peer(2, other), worker: ada, about: nil, at: at(2)) != nil)
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
        table.forgetSilentClients(at: at(301))
        #expect(table.sessions.keys.map(\.bytes).sorted { $0[0] < $1[0] } == [Data([1]), Data([3])])
    }

    @Test func theConversationsOfAKeyAreFound() throws {
        var table = SessionTable()
        let key = try #require(key), other = try #require(other)
        _ = table.open(peer(1, key), worker: ada, about: nil, at: at(0))
        _ = table.open(peer(2, key), worker: nil, about: nil, at: at(0))
        _ = table.open(peer(3, other), worker: nil, about: nil, at: at(0))
        _ = table.open(peer(4), worker: nil, about: nil, at: at(0))
        #expect(Set(table.conversations(of: [key])) == [peer(1, key), peer(2, key)])
        #expect(table.conversations(of: []).isEmpty)
    }
}
