// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import ZeroMQ

@testable import Blobs

@Suite struct QueueTests {
    private let digest = BlobDigest(of: Data())

    private func peer(_ number: UInt8) -> PeerID { PeerID(bytes: Data([number])) }

    private func request(_ peer: UInt8, _ id: UInt64, length: Int = 10) -> FetchQueue.Request {
        FetchQueue.Request(peer: self.peer(peer), id: id, digest: digest, offset: 0, length: length)
    }

    @Test func peersTakeTurns() {
        var queue = FetchQueue(windowRequests: 4, windowBytes: 100)
        for id in 1...3 as ClosedRange<UInt64> { #expect(queue.add(request(1, id)) == true) }
        #expect(queue.add(request(2, 4)) == true)
        #expect(queue.add(request(3, 5)) == true)
        let order = (0..<6).map { _ in queue.next(now: .now)?.id }
        #expect(order == [1, 4, 5, 2, 3, nil])
        #expect(queue.peers.count == 3)
    }

    @Test func theWindowIsKept() {
        var queue = FetchQueue(windowRequests: 2, windowBytes: 100)
        #expect(queue.add(request(1, 1, length: 60)) == true)
        #expect(queue.add(request(1, 2, length: 60)) == false)
        #expect(queue.add(request(1, 2, length: 40)) == true)
        #expect(queue.add(request(1, 3, length: 0)) == false)
        _ = queue.next(now: .now)
        #expect(queue.add(request(1, 3, length: 1)) == false)
        queue.finish(request(1, 1, length: 60))
        #expect(queue.add(request(1, 3, length: 60)) == true)
        // One request is always let in, whatever its size.
        #expect(queue.add(request(2, 1, length: 1000)) == true)
    }

    @Test func slowPeersHoldUpNobody() {
        var queue = FetchQueue(windowRequests: 4, windowBytes: 100)
        let now = ContinuousClock.now
        for id in 1...2 as ClosedRange<UInt64> { #expect(queue.add(request(1, id)) == true) }
        #expect(queue.add(request(2, 3)) == true)
        let first = queue.next(now: now)
        queue.putBack(request(1, 1), until: now + .seconds(1))
        #expect(first?.id == 1)
        #expect(queue.next(now: now)?.id == 3)
        #expect(queue.next(now: now) == nil)
        #expect(queue.next(now: now + .seconds(1))?.id == 1)
        #expect(queue.next(now: now + .seconds(1))?.id == 2)
        queue.remove(peer(1))
        #expect(queue.finish(request(1, 1)) == false)
        queue.putBack(request(1, 1))
        #expect(queue.next(now: now + .seconds(2)) == nil)
    }

    @Test func theTableOfPutsSharesTheWindow() throws {
        let scratch = try ScratchFolder()
        let store = try scratch.store()
        var table = PutTable(windowBytes: 30, chunkBytes: 10)
        let now = ContinuousClock.now
        let names = (1...2).map { BlobDigest(of: bytes(100, seed: UInt64($0))) }
        for (index, name) in names.enumerated() {
            let party = PutTable.Party(peer: peer(UInt8(index)), id: 1)
            #expect(table.add(party, name, size: 100, now: now) == false)
            #expect(table.begin()?.digest == name)
            table.receive(name, with: try store.write(name, size: 100), now: now)
        }
        let pulls = (0..<4).map { _ in table.nextPull() }
        #expect(pulls.map { $0?.digest } == [names[0], names[1], names[0], nil])
        #expect(pulls.map { $0?.pull.offset } == [0, 0, 10, nil])
        // Only the piece that is due is taken, and room is made when it is written.
        #expect(table.arrived(names[0], offset: 10, length: 10, now: now) == false)
        #expect(table.arrived(names[0], offset: 0, length: 9, now: now) == false)
        #expect(table.arrived(names[0], offset: 0, length: 10, now: now) == true)
        #expect(table.nextPull()?.pull == nil)
        table.wrote(names[0], length: 10)
        #expect(table.nextPull()?.pull.offset == 10)
    }

    @Test func anotherClientTakesOver() throws {
        let scratch = try ScratchFolder()
        let store = try scratch.store()
        var table = PutTable(windowBytes: 100, chunkBytes: 10)
        let now = ContinuousClock.now
        let name = BlobDigest(of: bytes(30))
        let (one, two) = (PutTable.Party(peer: peer(1), id: 1), PutTable.Party(peer: peer(2), id: 9))
        #expect(table.add(one, name, size: 30, now: now) == false)
        #expect(table.add(one, name, size: 30, now: now) == nil)
        #expect(table.add(two, name, size: 31, now: now) == nil)
        #expect(table.add(two, name, size: 30, now: now) == true)
        _ = table.begin()
        table.receive(name, with: try store.write(name, size: 30), now: now)
        #expect(table.nextPull()?.party == one && table.nextPull()?.party == one)
        #expect(table.arrived(name, offset: 0, length: 10, now: now) == true)
        #expect(table.stalled(now: now + .seconds(3), timeout: .seconds(30)) == [one])
        #expect(table.leave(one, now: now) == nil)
        let next = table.nextPull()
        #expect(next?.party == two && next?.pull.offset == 10)
        let writer = table.leave(two, now: now)
        #expect(writer != nil && table.puts.isEmpty)
        writer?.abandon()
    }
}
