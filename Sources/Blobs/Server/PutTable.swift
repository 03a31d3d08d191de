// SPDX-License-Identifier: Apache-2.0
import ZeroMQ

/// The blobs that clients are putting: who sends which, and how much more the server asks for.
///
/// Each blob is sent by one client at a time, its holder. Others who want to put the same one wait, and take over if the holder goes away.
struct PutTable {
    struct Party: Hashable {
        let peer: PeerID
        let id: UInt64
    }

    struct Pull: Hashable {
        let offset: Int64
        let length: Int
    }

    enum Phase {
        /// Waits for its turn, or for another writer of the same blob.
        case queued
        /// Being looked at by the disk.
        case preparing
        case receiving
        /// Being checked and synced.
        case finishing
    }

    struct Put {
        let digest: BlobDigest
        let size: Int64
        var holder: Party
        var waiters: [Party] = []
        var phase = Phase.queued
        var writer: BlobWriter?
        /// Asked for and not arrived, in order.
        var pulls: [Pull] = []
        var nextPull: Int64 = 0
        /// Arrived and not written.
        var writing = 0
        var heard: ContinuousClock.Instant

        var isComplete: Bool { phase == .receiving && nextPull == size && pulls.isEmpty && writing == 0 }
    }

    /// How many blobs are received at the same time.
    static let maximumActive = 16
    static let maximumPuts = 1024

    let windowBytes: Int
    let chunkBytes: Int
    private(set) var puts: [BlobDigest: Put] = [:]
    private var digests: [Party: BlobDigest] = [:]
    /// In the order in which they came; the next one to pull first.
    private var order: [BlobDigest] = []

    init(windowBytes: Int, chunkBytes: Int) {
        self.windowBytes = windowBytes
        self.chunkBytes = chunkBytes
    }

    subscript(digest: BlobDigest) -> Put? { puts[digest] }

    var all: some Collection<Put> { order.lazy.compactMap { [puts] in puts[$0] } }

    func digest(_ party: Party) -> BlobDigest? { digests[party] }

    func count(of peer: PeerID) -> Int { digests.keys.count { $0.peer == peer } }

    /// Whether somebody else is putting the same blob; nil when the table is full or the sizes differ.
    mutating func add(_ party: Party, _ digest: BlobDigest, size: Int64, now: ContinuousClock.Instant) -> Bool? {
        if let put = puts[digest] {
            guard put.size == size, digests[party] == nil else { return nil }
            puts[digest]?.waiters.append(party)
            digests[party] = digest
            return true
        }
        guard puts.count < Self.maximumPuts, digests[party] == nil else { return nil }
        puts[digest] = Put(digest: digest, size: size, holder: party, heard: now)
        digests[party] = digest
        order.append(digest)
        return false
    }

    /// The next put that may begin.
    mutating func begin() -> Put? {
        guard puts.values.count(where: { $0.phase != .queued }) < Self.maximumActive else { return nil }
        guard let digest = order.first(where: { puts[$0]?.phase == .queued }) else { return nil }
        puts[digest]?.phase = .preparing
        return puts[digest]
    }

    /// The disk is not ready: tried again later.
    mutating func postpone(_ digest: BlobDigest) {
        puts[digest]?.phase = .queued
        if let index = order.firstIndex(of: digest) { order.append(order.remove(at: index)) }
    }

    mutating func receive(_ digest: BlobDigest, with writer: BlobWriter, now: ContinuousClock.Instant) {
        puts[digest]?.phase = .receiving
        puts[digest]?.writer = writer
        puts[digest]?.nextPull = writer.written
        puts[digest]?.heard = now
    }

    mutating func beginFinishing(_ digest: BlobDigest) { puts[digest]?.phase = .finishing }

    /// What to ask for next, and of whom: each blob in turn, all of them together at most a window.
    mutating func nextPull() -> (party: Party, digest: BlobDigest, pull: Pull)? {
        let open = puts.values.reduce(0) { $0 + $1.writing + $1.pulls.reduce(0) { $0 + $1.length } }
        for (index, digest) in order.enumerated() {
            guard var put = puts[digest], put.phase == .receiving, put.nextPull < put.size else { continue }
            let length = Int(min(Int64(chunkBytes), put.size - put.nextPull))
            guard open + length <= windowBytes else { return nil }
            let pull = Pull(offset: put.nextPull, length: length)
            put.pulls.append(pull)
            put.nextPull += Int64(length)
            puts[digest] = put
            order.append(order.remove(at: index))
            return (put.holder, digest, pull)
        }
        return nil
    }

    /// The last pull could not be sent.
    mutating func takeBack(_ pull: Pull, _ digest: BlobDigest) {
        guard puts[digest]?.pulls.last == pull else { return }
        puts[digest]?.pulls.removeLast()
        puts[digest]?.nextPull = pull.offset
    }

    /// A piece arrived.
    ///
    /// - Returns: false when it is not the one that was to come next.
    mutating func arrived(_ digest: BlobDigest, offset: Int64, length: Int, now: ContinuousClock.Instant) -> Bool {
        guard puts[digest]?.pulls.first == Pull(offset: offset, length: length) else { return false }
        puts[digest]?.pulls.removeFirst()
        puts[digest]?.writing += length
        puts[digest]?.heard = now
        return true
    }

    mutating func wrote(_ digest: BlobDigest, length: Int) { puts[digest]?.writing -= length }

    /// A client gave up or went away.
    ///
    /// - Returns: the writer of a blob that nobody puts any more.
    mutating func leave(_ party: Party, now: ContinuousClock.Instant) -> BlobWriter? {
        guard let digest = digests.removeValue(forKey: party), var put = puts[digest] else { return nil }
        put.waiters.removeAll { $0 == party }
        if put.holder == party, put.phase != .finishing {
            guard let next = put.waiters.first else { return remove(digest)?.writer }
            put.holder = next
            put.waiters.removeFirst()
            put.nextPull -= put.pulls.reduce(0) { $0 + Int64($1.length) }
            put.pulls = []
            put.heard = now
        }
        puts[digest] = put
        return nil
    }

    mutating func leave(_ peer: PeerID, now: ContinuousClock.Instant) -> [BlobWriter] {
        digests.keys.filter { $0.peer == peer }.compactMap { leave($0, now: now) }
    }

    @discardableResult
    mutating func remove(_ digest: BlobDigest) -> Put? {
        guard let put = puts.removeValue(forKey: digest) else { return nil }
        for party in [put.holder] + put.waiters { digests[party] = nil }
        order.removeAll { $0 == digest }
        return put
    }

    /// Those whose holder has sent nothing for too long.
    func stalled(now: ContinuousClock.Instant, timeout: Duration) -> [Party] {
        puts.values.filter { put in
            let patience = put.waiters.isEmpty ? timeout : min(timeout, .seconds(2))
            return put.phase == .receiving && !put.pulls.isEmpty && now - put.heard > patience
        }.map(\.holder)
    }

    /// Clients that hear nothing because they wait for somebody else or for the disk.
    var waiting: [Party] {
        puts.values.flatMap { put in put.phase == .receiving && !put.pulls.isEmpty ? put.waiters : [put.holder] + put.waiters }
    }
}
