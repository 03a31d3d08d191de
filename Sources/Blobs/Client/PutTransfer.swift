// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// A blob that can be given to a server.
package struct BlobOffer: Sendable {
    enum Content: Sendable {
        case data(Data)
        case file(URL)
        case stored(BlobStore)
    }

    package let digest: BlobDigest
    package let bytes: Int64
    let content: Content

    package init(_ data: Data) {
        digest = BlobDigest(of: data)
        bytes = Int64(data.count)
        content = .data(data)
    }

    /// A file, which is read twice: once for its digest, now, and once to be sent.
    package init(file: URL, isCancelled: () -> Bool = { false }) throws(BlobError) {
        let input = try OpenFile.reading(file.path)
        bytes = try input.identity().size
        digest = try input.hash(length: bytes, isCancelled: isCancelled).digest
        content = .file(file)
    }

    /// A blob of a store.
    package init(_ digest: BlobDigest, in store: BlobStore) throws(BlobError) {
        self.digest = digest
        bytes = try store.open(digest).size
        content = .stored(store)
    }

    fileprivate func reader() throws(BlobError) -> (Int64, Int) throws(BlobError) -> Data {
        switch content {
        case .data(let data):
            return { offset, length throws(BlobError) in data.dropFirst(Int(offset)).prefix(length) }
        case .file(let file):
            let input = try OpenFile.reading(file.path)
            return { (offset, length) throws(BlobError) in try input.read(at: offset, length: length) }
        case .stored(let store):
            let blob = try store.open(digest)
            return { (offset, length) throws(BlobError) in try blob.read(offset: offset, length: length) }
        }
    }
}

/// Gives a list of blobs to a server, on the thread that calls it.
///
/// The server pulls the pieces; nothing is sent that was not asked for.
final class PutTransfer {
    private struct Active {
        let offer: BlobOffer
        let read: (Int64, Int) throws(BlobError) -> Data
    }

    private let connection: BlobConnection
    /// The next one last.
    private var waiting: [BlobOffer]
    private var active: [UInt64: Active] = [:]
    private var maximumActive = 8

    init(_ offers: [BlobOffer], _ connection: BlobConnection) {
        self.connection = connection
        var seen: Set<BlobDigest> = []
        waiting = offers.filter { seen.insert($0.digest).inserted }.reversed()
        connection.progress.totalBlobs = waiting.count
        connection.progress.totalBytes = waiting.reduce(0) { $0 + $1.bytes }
    }

    func run() throws(BlobError) {
        do throws(BlobError) {
            while !(waiting.isEmpty && active.isEmpty) {
                try begin()
                for news in try connection.news(isWaiting: !active.isEmpty) {
                    switch news {
                    case .ready(let welcome):
                        guard welcome.rights.contains(.write) else {
                            throw BlobError(.refused, "the blob server does not let this key write")
                        }
                        maximumActive = min(8, welcome.puts)
                    case .lost: forgetRequests()
                    case .reply(let id, let reply): try take(reply, id)
                    }
                }
            }
        } catch {
            for id in active.keys { connection.ask(.putAbort, id: id) }
            throw error
        }
        connection.reportProgress()
    }

    private func begin() throws(BlobError) {
        guard let welcome = connection.welcome else { return }
        while active.count < maximumActive, let offer = waiting.popLast() {
            guard offer.bytes <= welcome.blobBytes else {
                throw BlobError(
                    .tooBig, "blob \(offer.digest.short) has \(offer.bytes) bytes; the server takes at most \(welcome.blobBytes)")
            }
            let read = try offer.reader()
            active[connection.ask(.put(offer.digest, size: offer.bytes))] = Active(offer: offer, read: read)
        }
    }

    private func forgetRequests() {
        waiting += active.values.map(\.offer)
        active = [:]
    }

    private func take(_ reply: BlobReply, _ id: UInt64) throws(BlobError) {
        guard let blob = active[id] else { return }
        switch reply {
        case .wait: return
        case .pull(let offset, let length):
            guard offset <= blob.offer.bytes, Int64(length) <= blob.offer.bytes - offset else {
                throw BlobError(.protocolMismatch, "the blob server asked for bytes beyond the end of a blob")
            }
            let data = try blob.read(offset, length)
            guard data.count == length else {
                throw BlobError(.changed, "blob \(blob.offer.digest.short): its file became shorter while it was sent")
            }
            connection.progress.transferredBytes += Int64(length)
            connection.ask(.putData(offset: offset, data), id: id)
        case .putDone(let digest, _):
            guard digest == blob.offer.digest else {
                throw BlobError(.protocolMismatch, "the blob server confirmed another blob than the one that was put")
            }
            active[id] = nil
            connection.progress.blobs += 1
            connection.progress.bytes += blob.offer.bytes
        case .error(.tooMany, let message):
            guard maximumActive > 1 else { throw BlobError(.remote, message) }
            active[id] = nil
            waiting.append(blob.offer)
            maximumActive -= 1
        case .error(let fault, let message): throw fault.error(message)
        default: throw BlobError(.protocolMismatch, "the blob server answered another question than the one that was asked")
        }
    }
}
