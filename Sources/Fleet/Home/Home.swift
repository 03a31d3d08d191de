// SPDX-License-Identifier: Apache-2.0

package import Foundation
import Glibc
import Synchronization

/// The coordinator's folder, and the lock that makes it the only one in there.
///
///     ledger.sqlite                       all that was ever accepted
///     coordinator.json                    endpoint and process id while a coordinator runs, for whoever looks for it
///     coordinator.lock                    held for as long as it runs
///     keys/                               its own keys and who may connect
///     blobs/                              pictures, latents and other files by content
///     studies/NAME/study.yaml             as submitted
///     studies/NAME/trial-0/checkpoint.h5
///     studies/NAME/trial-0/preview-000200.png
package final class Home: Sendable {
    package let folder: URL
    private let lock: Mutex<Int32?>

    /// Makes the folder if need be and takes its lock.
    ///
    /// - Throws: `FleetError` `.homeInUse` if another coordinator has the lock, `.storage` if the folder is not usable.
    package init(folder: URL) throws(FleetError) {
        self.folder = folder
        do {
            try FileManager.default.createDirectory(at: Self.studies(in: folder), withIntermediateDirectories: true)
        } catch {
            throw FleetError(.storage, "home \(folder.path): cannot make this folder: \(error.reason); choose another with --home")
        }
        let path = folder.appendingPathComponent("coordinator.lock").path
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FleetError(.storage, "\(path): cannot be written: \(String(cString: strerror(errno)))") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            let owner = Discovery.read(from: folder).map { " (process \($0.processID), \($0.endpoint))" } ?? ""
            close(descriptor)
            guard reason == EWOULDBLOCK else {
                throw FleetError(.storage, "\(path): cannot be locked: \(String(cString: strerror(reason)))")
            }
            throw FleetError(
                .homeInUse, "home \(folder.path): another coordinator\(owner) works in it; stop that one, or choose another --home")
        }
        lock = Mutex(descriptor)
    }

    deinit {
        release()
    }

    /// Gives the lock back; nothing may be written here afterwards.
    package func release() {
        lock.withLock { lock in
            if let descriptor = lock { close(descriptor) }
            lock = nil
        }
    }

    /// Whether a coordinator works in a home right now.
    package static func isInUse(_ folder: URL) -> Bool {
        let descriptor = open(folder.appendingPathComponent("coordinator.lock").path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }

    package var blobs: URL { folder.appendingPathComponent("blobs", isDirectory: true) }

    package var ledger: URL { folder.appendingPathComponent("ledger.sqlite") }

    /// The folder of a study.
    ///
    /// Names were checked when the study was read: they hold no separators.
    package func study(_ name: String) -> URL { Self.studies(in: folder).appendingPathComponent(name, isDirectory: true) }

    func preview(study: String, trial: Int, step: Int) -> URL {
        checkpoint(study: study, trial: trial).deletingLastPathComponent()
            .appendingPathComponent("preview-\(String(repeating: "0", count: max(0, 6 - String(step).count)))\(step).png")
    }

    package func checkpoint(study: String, trial: Int) -> URL {
        Self.checkpoint(in: folder, study: study, trial: trial)
    }

    /// Where the checkpoint of a trial lies in a home, for readers that have no lock.
    package static func checkpoint(in folder: URL, study: String, trial: Int) -> URL {
        studies(in: folder).appendingPathComponent(study).appendingPathComponent("trial-\(trial)").appendingPathComponent("checkpoint.h5")
    }

    private static func studies(in folder: URL) -> URL { folder.appendingPathComponent("studies", isDirectory: true) }

    /// Keeps the study file beside its checkpoints, for people; the ledger has its own copy.
    func writeStudyFile(_ yaml: String, study name: String) throws {
        try FileManager.default.createDirectory(at: study(name), withIntermediateDirectories: true)
        try Data(yaml.utf8).write(to: study(name).appendingPathComponent("study.yaml"), options: .atomic)
    }

    /// Tells others where the coordinator listens.
    func announce(_ discovery: Discovery) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(discovery).write(to: Discovery.file(in: folder), options: .atomic)
    }

    func withdrawAnnouncement() {
        try? FileManager.default.removeItem(at: Discovery.file(in: folder))
    }
}

/// What a running coordinator says of itself in its home.
package struct Discovery: Codable, Sendable, Hashable {
    package var endpoint: String
    package var processID: Int32
    package var program: String

    package init(endpoint: String, processID: Int32, program: String) {
        self.endpoint = endpoint
        self.processID = processID
        self.program = program
    }

    static func file(in folder: URL) -> URL { folder.appendingPathComponent("coordinator.json") }

    /// The announcement in a home; nil if there is none.
    ///
    /// After a crash it may name a coordinator that is gone.
    package static func read(from folder: URL) -> Discovery? {
        guard let data = try? Data(contentsOf: file(in: folder)), data.count < 65536 else { return nil }
        return try? JSONDecoder().decode(Discovery.self, from: data)
    }
}

extension Error {
    /// The system's own word for what went wrong, if there is one below this error.
    var reason: String {
        var error = self as NSError
        while let below = error.userInfo[NSUnderlyingErrorKey] as? any Error { error = below as NSError }
        if error.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(error.code))) }
        return "\(self)".oneLine
    }
}
