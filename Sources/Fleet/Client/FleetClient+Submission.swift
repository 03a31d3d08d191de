// SPDX-License-Identifier: Apache-2.0

import Blobs
package import Foundation
package import StableDiffusion
import Studies
import WireMessages
import ZeroMQ

extension StudyPackage {
    /// Reads a study file's text and finds its files on this machine.
    ///
    /// - Parameter locate: the folder that its `model` means here; when there is none, the coordinator has to have it.
    package init(
        parsing yaml: String, baseFolder: String, source: String, locate: @Sendable (String) throws -> ModelFolder
    ) throws {
        let study = try Study.parse(yaml: yaml, source: source).resolvingPaths(against: baseFolder)
        let isHere = study.model != Study.starterModel && FileManager.default.fileExists(atPath: study.model)
        try self.init(study, model: isHere ? locate(study.model) : nil)
    }
}

extension FleetClient {
    /// Submits a study file's text; relative paths in it start from `baseFolder`, and the files they name go along.
    ///
    /// - Parameters:
    ///   - cache: a folder for the digests of large files, so that they are computed once.
    ///   - tell: how far the files are.
    /// - Throws: `FleetError`: `.invalid` if the study is refused, `.unreachable`, `.refused`.
    package func submit(
        yaml: String, baseFolder: String, source: String, priority: Int = 0, cache: URL,
        locate: @escaping @Sendable (String) throws -> ModelFolder, tell: @escaping @Sendable (String) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> Submission {
        let package = try StudyPackage(parsing: yaml, baseFolder: baseFolder, source: source, locate: locate)
        let (manifest, sources) = try inventory(package, cache: cache, isCancelled: isCancelled)
        var request = WireSubmitStudy()
        request.yaml = yaml
        request.baseFolder = baseFolder
        request.sourcePath = source
        request.manifestJson = manifest.text
        request.priority = Int32(clamping: priority)
        var patient = self
        // The coordinator may have a model of many gigabytes to read first.
        patient.replyTimeout = .seconds(900)
        // Once to hear what is missing, once when it is there, and once more for whatever vanished in between.
        for _ in 0..<3 {
            guard case .submitReply(let reply) = try patient.ask(.submitStudy(request)) else { throw unexpected }
            switch reply.outcome {
            case .refused: throw FleetError(.invalid, reply.message)
            case .needsBlobs: try upload(reply.missing, from: sources, tell: tell, isCancelled: isCancelled)
            default:
                return Submission(
                    id: reply.studyID, name: reply.name, isAlreadyThere: reply.outcome == .alreadyThere, ended: reply.message)
            }
        }
        throw FleetError(.internal, "the coordinator does not keep the study's files; its log and disk may say why")
    }

    /// The manifest, and where each blob lies on this machine.
    private func inventory(
        _ package: StudyPackage, cache: URL, isCancelled: () -> Bool
    ) throws -> (Manifest, [BlobDigest: URL]) {
        let store = try BlobStore(folder: cache)
        var sources: [BlobDigest: URL] = [:]
        let files = try package.sources.map { source in
            let url = URL(fileURLWithPath: source.file)
            let (digest, bytes) = try store.registerInPlace(url, isCancelled: isCancelled)
            sources[digest] = url
            return Manifest.File(path: source.path, digest: digest, bytes: bytes, role: source.role)
        }
        return (try Manifest(files: files), sources)
    }

    private func upload(
        _ missing: [Data], from sources: [BlobDigest: URL], tell: @escaping @Sendable (String) -> Void,
        isCancelled: @escaping @Sendable () -> Bool
    ) throws {
        let wanted = try missing.compactMap { BlobDigest(bytes: $0) }.compactMap { sources[$0] }.map {
            try BlobOffer(file: $0, isCancelled: isCancelled)
        }
        guard wanted.count == missing.count else {
            throw FleetError(.internal, "the coordinator misses \(missing.count - wanted.count) files that are not the study's")
        }
        var options = BlobClientOptions()
        options.socket.security = security
        let client = BlobClient(endpoint: try blobEndpoint(), options: options)
        try client.start()
        defer { client.stop() }
        tell("sending \(wanted.count) files")
        try client.put(
            wanted, progress: { progress in tell("sending \(progress.bytes >> 20) of \(progress.totalBytes >> 20) MiB") },
            isCancelled: isCancelled)
    }
}
