// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import ZeroMQ

/// The disk's side of a server: three lines of work, none of which the sockets' thread ever waits for.
///
/// Reads are one line, so that a disk serves many clients of one blob in one pass. Writes are one line, which keeps them in order.
/// What may take seconds (checking a blob, syncing it) is a third.
final class BlobServerDisk: Sendable {
    enum Prepared: Sendable {
        case alreadyThere
        case writer(BlobWriter)
        case busy
        case failed(BlobError)
    }

    private static let maximumOpenFiles = 64

    let store: BlobStore
    private let reads = DispatchQueue(label: "blob reads", qos: .default)
    private let writes = DispatchQueue(label: "blob writes", qos: .default)
    private let checks = DispatchQueue(label: "blob checks", qos: .utility)
    private let files = Mutex<[BlobDigest: OpenBlob]>([:])
    private let isStopped = Atomic(false)
    /// Set before the loop starts, cleared after it ended.
    private let loop = Mutex<SocketLoop<BlobServerHandler>?>(nil)

    init(store: BlobStore) { self.store = store }

    func attach(_ loop: SocketLoop<BlobServerHandler>?) { self.loop.withLock { $0 = loop } }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        for queue in [reads, writes, checks] { queue.sync {} }
        closeFiles()
        attach(nil)
    }

    /// Files that nobody reads any more must not stay open for ever: a removed blob would keep its place on the disk.
    func closeFiles() { files.withLock { $0 = [:] } }

    // MARK: Work

    func read(_ request: FetchQueue.Request) {
        reads.async { [self] in
            let result: Result<(Data, Int64), BlobError>
            do throws(BlobError) {
                let blob = try open(request.digest)
                let isInside = request.offset < blob.size || (blob.size == 0 && request.offset == 0)
                guard isInside else {
                    throw BlobError(.invalid, "offset \(request.offset) is beyond the end of a blob of \(blob.size) bytes")
                }
                result = .success((try blob.read(offset: request.offset, length: request.length), blob.size))
            } catch {
                _ = files.withLock { $0.removeValue(forKey: request.digest) }
                result = .failure(error)
            }
            post { handler, context in handler.hasRead(request, result, &context) }
        }
    }

    /// Opens a blob that has not been checked yet, which takes as long as reading all of it.
    func check(_ digest: BlobDigest) {
        checks.async { [self] in
            var failure: BlobError?
            do throws(BlobError) {
                _ = try store.open(digest) { self.isStopped.load(ordering: .relaxed) }
            } catch {
                failure = error
            }
            post { [failure] handler, context in handler.hasChecked(digest, failure, &context) }
        }
    }

    func prepare(_ digest: BlobDigest, size: Int64) {
        checks.async { [self] in
            let prepared = prepared(digest, size: size)
            post { handler, context in handler.hasPrepared(digest, prepared, &context) }
        }
    }

    func write(_ data: Data, to writer: BlobWriter) {
        writes.async { [self] in
            var failure: BlobError?
            do throws(BlobError) { try writer.append(data) } catch { failure = error }
            post { [failure] handler, context in handler.hasWritten(data.count, to: writer, failure, &context) }
        }
    }

    func finish(_ writer: BlobWriter) {
        checks.async { [self] in
            var failure: BlobError?
            do throws(BlobError) { try writer.finish() } catch { failure = error }
            post { [failure] handler, context in handler.hasFinished(writer, failure, &context) }
        }
    }

    /// After what is being written.
    func abandon(_ writer: BlobWriter) { writes.async { writer.abandon() } }

    private func prepared(_ digest: BlobDigest, size: Int64) -> Prepared {
        let isStopped = { self.isStopped.load(ordering: .relaxed) }
        do throws(BlobError) {
            if let blob = try? store.open(digest, isCancelled: isStopped) {
                guard blob.size == size else { throw BlobError(.invalid, "blob \(digest.short) has \(blob.size) bytes, not \(size)") }
                return .alreadyThere
            }
            return .writer(try store.write(digest, size: size, isCancelled: isStopped))
        } catch {
            return error.code == .busy ? .busy : .failed(error)
        }
    }

    private func open(_ digest: BlobDigest) throws(BlobError) -> OpenBlob {
        if let blob = files.withLock({ $0[digest] }) { return blob }
        let blob = try store.open(digest)
        files.withLock { files in
            if files.count >= Self.maximumOpenFiles, let victim = files.keys.first { files[victim] = nil }
            files[digest] = blob
        }
        return blob
    }

    private func post(_ work: @escaping SocketLoop<BlobServerHandler>.Work) { loop.withLock { $0 }?.post(work) }
}
