// SPDX-License-Identifier: Apache-2.0

import Blobs
import Foundation
import Studies
import Synchronization
import WireMessages
import ZeroMQ

/// What a worker needs of the outside world to compute: files by content, kept in a bounded cache.
///
/// Used on the compute thread, which may wait for a transfer; heartbeats never do.
final class WorkerFiles: Sendable {
    /// Studies whose files stay pinned: the one that is worked on, and those before it that may come back soon.
    private static let pinnedStudies = 3

    private let folder: URL
    private let limitBytes: Int64
    private let state = Mutex(State())

    private struct State {
        var store: BlobStore?
        var client: BlobClient?
        var place: (endpoint: Endpoint, security: SocketSecurity)?
        var pins: [(key: String, pins: BlobPins)] = []
        var prepared: [String: PreparedStudy] = [:]
    }

    /// - Parameter folder: the cache; several workers of a machine may share it.
    init(folder: URL, limitBytes: Int64) {
        self.folder = folder
        self.limitBytes = limitBytes
    }

    /// Says where the coordinator's blobs are; the connection is made when it is needed.
    func serve(from endpoint: Endpoint, security: SocketSecurity) {
        let old = state.withLock { state -> BlobClient? in
            guard state.place.map({ $0.endpoint != endpoint || $0.security != security }) ?? true else { return nil }
            state.place = (endpoint, security)
            defer { state.client = nil }
            return state.client
        }
        old?.stop()
    }

    func stop() {
        let client = state.withLock { state in
            defer { state.client = nil }
            return state.client
        }
        client?.stop()
    }

    /// Brings a study's files to this machine, or finds them here.
    ///
    /// - Parameter tell: what it does, in a few words.
    /// - Throws: `SegmentFailure`.
    func prepare(
        _ brief: Brief, tell: @escaping @Sendable (String) -> Void, isCancelled: @escaping @Sendable () -> Bool
    ) throws -> PreparedStudy {
        let key = brief.digest.hexadecimal
        if let known = state.withLock({ $0.prepared[key] }) { return known }
        guard !brief.manifest.isEmpty else {
            return remember(PreparedStudy(key: key, json: brief.studyJSON), pins: nil)
        }
        do {
            return try fetch(brief, key: key, tell: tell, isCancelled: isCancelled)
        } catch let error as BlobError {
            throw Self.failure(error)
        } catch let error as StudyError {
            throw SegmentFailure(.input, "\(error)")
        }
    }

    private func fetch(
        _ brief: Brief, key: String, tell: @escaping @Sendable (String) -> Void, isCancelled: @escaping @Sendable () -> Bool
    ) throws -> PreparedStudy {
        let store = try store()
        let all = try Manifest(parsing: brief.manifest)
        // With the pictures encoded, nobody needs the pictures.
        let pictureRoles: Set<String> = ["picture", "caption"]
        let manifest = brief.shards.isEmpty ? all : try Manifest(files: all.files.filter { !pictureRoles.contains($0.role) })
        var wishes = manifest.wishes.map { wish in
            var wish = wish
            wish.localPaths = Self.localPaths(wish, manifest, brief)
            return wish
        }
        let shards = try brief.shards.map { row in
            guard let digest = BlobDigest(hex: row.digest) else { throw SegmentFailure(.internal, "a shard's digest cannot be read") }
            return BlobWish(digest: digest, bytes: row.bytes, localPaths: Self.inStore(digest, brief))
        }
        wishes += shards
        let pins = store.pin(wishes.map(\.digest))
        if wishes.contains(where: { !store.contains($0.digest) }) {
            tell("fetching \(wishes.count) files")
            try client().fetch(
                wishes, into: store,
                progress: { progress in tell("fetching \(progress.bytes >> 20) of \(progress.totalBytes >> 20) MiB") },
                isCancelled: isCancelled)
        }
        tell("checking files")
        let tree = folder.appendingPathComponent("trees").appendingPathComponent(manifest.digest.hex)
        try store.materialize(manifest, into: tree, isCancelled: isCancelled)
        let study = try Study(json: brief.studyJSON, source: "study").resolvingPaths(against: tree.path)
        let places = try shards.map { try store.url(of: $0.digest, isCancelled: isCancelled) }
        return remember(
            PreparedStudy(key: key, json: study.canonicalJSON(), shards: brief.shards.isEmpty ? nil : places), pins: pins)
    }

    private func remember(_ study: PreparedStudy, pins: BlobPins?) -> PreparedStudy {
        let released = state.withLock { state -> [BlobPins] in
            if state.prepared.count > 256 { state.prepared = [:] }
            state.prepared[study.key] = study
            guard let pins else { return [] }
            state.pins.append((study.key, pins))
            // Trials of one study share their files, and counted pins cost nothing.
            var released: [BlobPins] = []
            while state.pins.count > Self.pinnedStudies * 16 {
                let old = state.pins.removeFirst()
                state.prepared[old.key] = nil
                released.append(old.pins)
            }
            return released
        }
        for pins in released { pins.release() }
        return study
    }

    /// Puts a blob into the coordinator's store.
    ///
    /// - Returns: its digest.
    func put(_ data: Data, isCancelled: @escaping @Sendable () -> Bool) throws -> Data {
        do {
            let digest = BlobDigest(of: data)
            try client().put([BlobOffer(data)], isCancelled: isCancelled)
            return Data(digest.bytes)
        } catch let error as BlobError {
            throw Self.failure(error)
        }
    }

    private func store() throws(BlobError) -> BlobStore {
        if let store = state.withLock({ $0.store }) { return store }
        let store = try BlobStore(folder: folder, limitBytes: limitBytes)
        state.withLock { $0.store = store }
        return store
    }

    private func client() throws -> BlobClient {
        try state.withLock { state in
            if let client = state.client { return client }
            guard let place = state.place else { throw SegmentFailure(.internal, "the coordinator serves no blobs") }
            var options = BlobClientOptions()
            options.socket.security = place.security
            let client = BlobClient(endpoint: place.endpoint, options: options)
            try client.start()
            state.client = client
            return client
        }
    }

    /// Where the same file may lie on this machine, if it is the coordinator's.
    private static func localPaths(_ wish: BlobWish, _ manifest: Manifest, _ brief: Brief) -> [String] {
        guard let file = manifest.files.first(where: { $0.digest == wish.digest }) else { return [] }
        let prefix = StudyPackage.model + "/"
        if file.path.hasPrefix(prefix), !brief.modelFolder.isEmpty { return [brief.modelFolder + "/" + file.path.dropFirst(prefix.count)] }
        return inStore(wish.digest, brief)
    }

    private static func inStore(_ digest: BlobDigest, _ brief: Brief) -> [String] {
        guard !brief.blobFolder.isEmpty else { return [] }
        return ["\(brief.blobFolder)/sha256/\(digest.hex.prefix(2))/\(digest.hex.dropFirst(2))"]
    }

    private static func failure(_ error: BlobError) -> SegmentFailure {
        switch error.code {
        case .storage, .noSpace: SegmentFailure(.unable, error.description)
        default: SegmentFailure(.internal, error.description)
        }
    }
}
