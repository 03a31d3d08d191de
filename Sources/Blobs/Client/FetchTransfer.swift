// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Fetches a list of blobs into a store, on the thread that calls it.
final class FetchTransfer {
    private struct Active {
        let size: Int64
        var writer: BlobWriter
        /// From where on nothing was asked for.
        var next: Int64
        /// Pieces that came before their turn.
        var early: [Int64: Data] = [:]
        var wasRestarted = false
    }

    private struct Piece {
        let digest: BlobDigest
        let offset: Int64
        let length: Int
    }

    /// How many blobs are written at the same time.
    private static let maximumActive = 8
    private static let busyPause: Duration = .milliseconds(200)

    private let store: BlobStore
    private let connection: BlobConnection
    /// The next one last.
    private var waiting: [BlobWish]
    private var sizeless: [UInt64: BlobWish] = [:]
    private var active: [BlobDigest: Active] = [:]
    private var order: [BlobDigest] = []
    private var open: [UInt64: Piece] = [:]
    private var openBytes = 0
    /// Others are writing these just now.
    private var busy: [BlobWish] = []
    private var busyUntil = ContinuousClock.now
    private var windowRequests = Int.max

    init(_ wishes: [BlobWish], store: BlobStore, _ connection: BlobConnection) {
        self.store = store
        self.connection = connection
        var seen: Set<BlobDigest> = []
        waiting = wishes.filter { seen.insert($0.digest).inserted }.reversed()
        connection.progress.totalBlobs = waiting.count
        connection.progress.totalBytes = waiting.reduce(0) { $0 + ($1.bytes ?? 0) }
    }

    func run() throws(BlobError) {
        try takeWhatIsHere()
        while !(waiting.isEmpty && busy.isEmpty && sizeless.isEmpty && active.isEmpty) {
            if !busy.isEmpty, ContinuousClock.now >= busyUntil {
                waiting += busy
                busy = []
                try takeWhatIsHere()
            }
            try begin()
            askForPieces()
            for news in try connection.news(isWaiting: !open.isEmpty || !sizeless.isEmpty) {
                switch news {
                case .ready(let welcome):
                    guard welcome.rights.contains(.read) else { throw BlobError(.refused, "the blob server does not let this key read") }
                    windowRequests = welcome.windowRequests
                case .lost: forgetRequests()
                case .reply(let id, let reply): try take(reply, id)
                }
            }
        }
        connection.reportProgress()
    }

    /// Strikes off what the store has, and files of this machine that will do.
    private func takeWhatIsHere() throws(BlobError) {
        var missing: [BlobWish] = []
        for wish in waiting {
            if try isHere(wish) { isDone(wish, resumed: wish.bytes ?? store.size(of: wish.digest) ?? 0) } else { missing.append(wish) }
        }
        waiting = missing
    }

    private func isHere(_ wish: BlobWish) throws(BlobError) -> Bool {
        do throws(BlobError) {
            let blob = try store.open(wish.digest, isCancelled: connection.isCancelled)
            guard wish.bytes == nil || wish.bytes == blob.size else { throw wrongSize(wish.digest, blob.size, wish.bytes ?? 0) }
            return true
        } catch {
            if error.code == .cancelled || error.code == .wrongBytes { throw error }
        }
        guard let bytes = wish.bytes else { return false }
        for path in wish.localPaths {
            let file = URL(fileURLWithPath: path)
            if try store.openLocal(file, digest: wish.digest, bytes: bytes, isCancelled: connection.isCancelled) != nil { return true }
        }
        return false
    }

    // MARK: Asking

    private func begin() throws(BlobError) {
        guard let welcome = connection.welcome else { return }
        while active.count + sizeless.count < Self.maximumActive, let wish = waiting.popLast() {
            guard let size = wish.bytes else {
                sizeless[connection.ask(.stat(wish.digest))] = wish
                continue
            }
            guard size <= welcome.blobBytes else {
                throw BlobError(.tooBig, "blob \(wish.digest.short) has \(size) bytes, more than the server moves")
            }
            do throws(BlobError) {
                let writer = try store.write(wish.digest, size: size, isCancelled: connection.isCancelled)
                active[wish.digest] = Active(size: size, writer: writer, next: writer.written)
                order.append(wish.digest)
                connection.progress.bytes += writer.written
                try finishIfComplete(wish.digest)
            } catch  where error.code == .busy {
                if busy.isEmpty { busyUntil = .now + Self.busyPause }
                busy.append(wish)
            }
        }
    }

    private func askForPieces() {
        guard let welcome = connection.welcome else { return }
        let windowBytes = min(welcome.windowBytes, connection.client.options.windowBytes)
        for digest in order {
            guard var blob = active[digest] else { continue }
            while blob.next < blob.size, open.count < windowRequests {
                let length = Int(min(Int64(welcome.chunkBytes), blob.size - blob.next))
                guard open.isEmpty || openBytes + length <= windowBytes else { break }
                let id = connection.ask(.fetch(digest, offset: blob.next, length: length))
                open[id] = Piece(digest: digest, offset: blob.next, length: length)
                openBytes += length
                blob.next += Int64(length)
            }
            active[digest] = blob
        }
    }

    private func forgetRequests() {
        open = [:]
        openBytes = 0
        waiting += sizeless.values
        sizeless = [:]
        for digest in order {
            guard var blob = active[digest] else { continue }
            blob.early = [:]
            blob.next = blob.writer.written
            active[digest] = blob
        }
    }

    // MARK: Answers

    private func take(_ reply: BlobReply, _ id: UInt64) throws(BlobError) {
        guard open[id] != nil || sizeless[id] != nil else { return }
        switch reply {
        case .wait: return
        case .stat(let digest, let size):
            guard var wish = sizeless.removeValue(forKey: id), wish.digest == digest else { throw otherAnswer }
            guard let size else { throw BlobError(.notFound, "the server has no blob \(digest.short)") }
            wish.bytes = size
            connection.progress.totalBytes += size
            waiting.append(wish)
        case .chunk(let digest, let offset, let size, let data):
            guard let piece = open.removeValue(forKey: id) else { throw otherAnswer }
            openBytes -= piece.length
            guard digest == piece.digest, offset == piece.offset else {
                throw BlobError(.protocolMismatch, "the blob server answered with another piece than the one that was asked for")
            }
            try take(data, piece, size: size)
        case .error(.tooMany, let message):
            guard windowRequests > 1, let piece = open.removeValue(forKey: id) else { throw BlobError(.remote, message) }
            // Less at once, and all of it anew: what is under way now comes for nothing.
            windowRequests = max(1, min(windowRequests, open.count) / 2)
            openBytes -= piece.length
            forgetRequests()
        case .error(let fault, let message): throw fault.error(message)
        default: throw otherAnswer
        }
    }

    private var otherAnswer: BlobError {
        BlobError(.protocolMismatch, "the blob server answered another question than the one that was asked")
    }

    private func take(_ data: Data, _ piece: Piece, size: Int64) throws(BlobError) {
        guard var blob = active[piece.digest] else { return }
        guard size == blob.size else { throw wrongSize(piece.digest, size, blob.size) }
        guard data.count == piece.length else {
            throw BlobError(.protocolMismatch, "the blob server sent \(data.count) bytes where \(piece.length) were asked for")
        }
        blob.early[piece.offset] = data
        while let next = blob.early.removeValue(forKey: blob.writer.written) {
            try blob.writer.append(next)
            connection.progress.bytes += Int64(next.count)
            connection.progress.transferredBytes += Int64(next.count)
        }
        active[piece.digest] = blob
        try finishIfComplete(piece.digest)
    }

    private func finishIfComplete(_ digest: BlobDigest) throws(BlobError) {
        guard var blob = active[digest], blob.writer.written == blob.size else { return }
        do throws(BlobError) {
            try blob.writer.finish()
            active[digest] = nil
            order.removeAll { $0 == digest }
            isDone(BlobWish(digest: digest, bytes: blob.size), resumed: 0)
        } catch  where error.code == .wrongBytes {
            // What an earlier run had left may be what is wrong; once, all of it is fetched anew.
            guard blob.writer.resumedBytes > 0, !blob.wasRestarted else {
                throw BlobError(.wrongBytes, "the server sent other bytes than those of blob \(digest.short); they were thrown away")
            }
            connection.progress.bytes -= blob.size
            blob.writer = try store.write(digest, size: blob.size, isCancelled: connection.isCancelled)
            blob.next = 0
            blob.wasRestarted = true
            active[digest] = blob
        }
    }

    private func isDone(_ wish: BlobWish, resumed: Int64) {
        connection.progress.blobs += 1
        connection.progress.bytes += resumed
        if wish.bytes == nil { connection.progress.totalBytes += resumed }
    }

    private func wrongSize(_ digest: BlobDigest, _ size: Int64, _ expected: Int64) -> BlobError {
        BlobError(.wrongBytes, "blob \(digest.short) has \(size) bytes, not the expected \(expected)")
    }
}
