// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import SwiftProtobuf
import WireMessages

/// Results that the coordinator has not acknowledged, on this machine's disk: a worker that dies after hours of work loses none of it.
///
/// The folder belongs to one coordinator, named by its key. Another worker of this machine may send a result again; that is harmless.
struct Outbox {
    private let folder: URL?

    /// - Parameter folder: nil to keep results in memory only.
    init(folder: URL?) { self.folder = folder }

    /// Keeps a result until `remove`.
    ///
    /// - Throws: the system's error; the result is then in memory only.
    func keep(_ payload: WireEnvelope.OneOf_Payload, as name: String) throws {
        guard let folder else { return }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let data: Data = try WireEnvelope(payload).serializedData()
        let temporary = folder.appendingPathComponent("\(name).\(getpid()).tmp").path
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.lastError }
        var written = 0
        let isWritten = data.withUnsafeBytes { bytes in
            while written < bytes.count {
                let count = write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { return false }
                written += count
            }
            return fsync(descriptor) == 0
        }
        let problem = Self.lastError
        close(descriptor)
        guard isWritten, rename(temporary, path(name)) == 0 else {
            unlink(temporary)
            throw problem
        }
    }

    func remove(_ name: String) {
        guard folder != nil else { return }
        unlink(path(name))
    }

    /// What an earlier worker left here.
    ///
    /// Files that are no results are removed: nothing that cannot be sent may stay for ever.
    func leftovers() -> [WireEnvelope.OneOf_Payload] {
        guard let folder, let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path) else { return [] }
        return names.sorted().compactMap { name in
            guard name.hasSuffix(".result") else { return nil }
            let url = folder.appendingPathComponent(name)
            guard let data = try? Data(contentsOf: url), let envelope = try? WireEnvelope(serializedBytes: data),
                (try? envelope.validate()) != nil, let payload = envelope.payload
            else {
                try? FileManager.default.removeItem(at: url)
                return nil
            }
            return payload
        }
    }

    private func path(_ name: String) -> String { folder?.appendingPathComponent(name + ".result").path ?? "" }

    private static var lastError: any Error { NSError(domain: NSPOSIXErrorDomain, code: Int(errno)) }
}
