// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc

extension BlobStore {
    /// Makes a folder that holds the files of a manifest under their names, without copying a byte.
    ///
    /// Blobs of the store become hard links, which also keep them from being removed; where the disk does not allow that, and for files
    /// that are served from their own place, symbolic links. A folder that is there already is repaired; programs must not write to the
    /// files.
    ///
    /// - Throws: `.notFound` when a blob is not here, `.invalid` when the folder holds anything else, `.damaged`, `.storage`.
    package func materialize(_ manifest: Manifest, into folder: URL, isCancelled: () -> Bool = { false }) throws(BlobError) {
        let root = folder.standardizedFileURL.path
        try Disk.makeFolder(root)
        let folders = Set(manifest.files.flatMap { SafePath.folders(of: $0.path) })
        try refuseStrangers(root, prefix: "", files: Set(manifest.files.map(\.path)), folders: folders)
        for name in folders.sorted() {
            guard mkdir("\(root)/\(name)", 0o700) == 0 || errno == EEXIST else { throw .system("make the folder", "\(root)/\(name)") }
        }
        for file in manifest.files {
            let blob = try open(file.digest, isCancelled: isCancelled)
            guard blob.size == file.bytes else {
                throw BlobError(
                    .invalid, "manifest: path \(SafePath.shown(file.path)) has \(blob.size) bytes, not the \(file.bytes) that it says")
            }
            try link(blob, at: "\(root)/\(file.path)")
        }
    }

    private func link(_ blob: OpenBlob, at path: String) throws(BlobError) {
        var status = stat()
        if stat(path, &status) == 0, try FileIdentity(status) == blob.file.identity() { return }
        // Made beside and renamed, so that a reader never finds half of a folder's old and none of its new content.
        let temporary = "\(path).\(getpid()).link"
        unlink(temporary)
        let target = blob.file.path
        if blob.identity != nil || Glibc.link(target, temporary) != 0 {
            guard symlink(target, temporary) == 0 else { throw .system("write", temporary) }
        }
        guard rename(temporary, path) == 0 else {
            let failure = BlobError.system("write", path)
            unlink(temporary)
            throw failure
        }
        // Renaming one link to another of the same file does nothing and leaves both.
        unlink(temporary)
    }

    private func refuseStrangers(_ root: String, prefix: String, files: Set<String>, folders: Set<String>) throws(BlobError) {
        for name in Disk.names(in: "\(root)/\(prefix)") {
            let path = prefix + name
            let isFolder = Disk.status("\(root)/\(path)").map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
            if isFolder, folders.contains(path) {
                try refuseStrangers(root, prefix: path + "/", files: files, folders: folders)
            } else if isFolder || !files.contains(path) {
                // What a process left that died between making a link and renaming it.
                if !isFolder, name.hasSuffix(".link"), unlink("\(root)/\(path)") == 0 { continue }
                throw BlobError(.invalid, "\(root) holds \(SafePath.shown(path)), which is not in the manifest; remove it")
            }
        }
    }
}
