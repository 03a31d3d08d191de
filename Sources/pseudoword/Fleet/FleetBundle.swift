// SPDX-License-Identifier: Apache-2.0
import FleetHosts
import Foundation

/// The packed program that goes to the boxes.
struct FleetBundle {
    let path: String
    let digest: String
    let bytes: Int
    let description: BundleDescription
    /// Whether the file is ours to remove.
    private let isTemporary: Bool

    /// The file that the user names, or else the bundle that this program runs from, packed anew.
    static func find(_ path: String?) throws -> FleetBundle {
        if let path { return try open(path, isTemporary: false) }
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let folder = program.deletingLastPathComponent().deletingLastPathComponent()
        let file = folder.appendingPathComponent("BUNDLE")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else {
            throw CommandLineError(
                .usage, "this program is not part of a bundle: make one with deploy/bundle and give it with --bundle FILE")
        }
        let description: BundleDescription
        do { description = try .parse(text, source: file.path) } catch { throw CommandLineError(error.description) }
        return try pack(folder.path, date: description.date)
    }

    func remove() {
        if isTemporary { unlink(path) }
    }

    /// The same words as in deploy/bundle, so that the same folder gives the same bytes.
    private static func pack(_ folder: String, date: Int) throws -> FleetBundle {
        let path = FileManager.default.temporaryDirectory.path + "/pseudoword-bundle.\(getpid()).tar.gz"
        let script = """
            umask 077
            tar --create --directory "$1" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
                --mtime="@$2" --transform='flags=r;s,^\\.,pseudoword,' . | gzip -n >"$3"
            """
        do {
            _ = try run(["sh", "-c", script, "sh", folder, String(date), path], "\(folder): cannot be packed")
            return try open(path, isTemporary: true)
        } catch {
            unlink(path)
            throw error
        }
    }

    private static func open(_ path: String, isTemporary: Bool) throws -> FleetBundle {
        guard let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? NSNumber else {
            throw CommandLineError(.notFound, "\(path): not found")
        }
        let text = try run(["tar", "-xzOf", path, "--occurrence=1", "pseudoword/BUNDLE"], "\(path): not a bundle")
        let sum = try run(["sha256sum", "--", path], "\(path): cannot be read")
        // A leading backslash stands before the digest of a file with an odd name.
        let digest = sum.drop { $0 == "\\" }.prefix { $0.isHexDigit }
        guard digest.count == 64 else { throw CommandLineError("\(path): cannot be read") }
        do {
            let description = try BundleDescription.parse(text, source: path)
            return FleetBundle(
                path: path, digest: String(digest), bytes: size.intValue, description: description, isTemporary: isTemporary)
        } catch { throw CommandLineError("\(error)") }
    }

    private static func run(_ command: [String], _ failure: String) throws -> String {
        do {
            let result = try ChildProcess.run(command)
            guard result.status == 0 else { throw CommandLineError("\(failure): \(result.lastWords)") }
            return result.outputText
        } catch let error as ChildProcess.Failure {
            if case .interrupted = error { throw CommandLineError(.interrupted, "interrupted") }
            throw CommandLineError(failure)
        }
    }
}
