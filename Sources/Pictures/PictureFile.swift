// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Reads whole picture files and replaces files without ever showing half of one.
enum PictureFile {
    /// Larger files than this are not read: no picture within the size limits needs it.
    static let maximumBytes = 512 << 20

    static func read(_ path: String) throws -> [UInt8] {
        let name = PictureError.oneLine(path)
        // Non-blocking, so that a pipe in the folder cannot hang the program before it is refused.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw PictureError(PictureError.codeOfFailedOpen, "\(name): cannot be read: \(reason())") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw PictureError(.unreadable, "\(name): cannot be read: \(reason())") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw PictureError(.unreadable, "\(name): not a file") }
        let size = Int(status.st_size)
        guard size <= maximumBytes else {
            throw PictureError(.tooLarge, "\(name): the file has \(size) bytes, expected at most \(maximumBytes)")
        }
        var failure: PictureError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(size, 1)) { buffer, count in
            while count < size {
                let got = Glibc.read(descriptor, buffer.baseAddress?.advanced(by: count), size - count)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = PictureError(.unreadable, "\(name): cannot be read: \(reason())") }
                if got <= 0 { break }
                count += got
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Writes a new file beside the old one, syncs it and renames it into place, then syncs the folder.
    static func writeAtomically(_ bytes: [UInt8], to path: String) throws {
        let name = PictureError.oneLine(path)
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var template = Array("\(path).XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw PictureError(.unwritable, "\(name): cannot be written: \(reason())") }
        let isWritten = writeAll(bytes, to: descriptor) && fchmod(descriptor, 0o644) == 0 && fsync(descriptor) == 0
        let writeReason = reason()
        close(descriptor)
        guard isWritten, rename(template, path) == 0 else {
            let why = isWritten ? reason() : writeReason
            unlink(template)
            throw PictureError(.unwritable, "\(name): cannot be written: \(why)")
        }
        let folderDescriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folderDescriptor >= 0 {
            fsync(folderDescriptor)
            close(folderDescriptor)
        }
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let wrote = write(descriptor, buffer.baseAddress?.advanced(by: offset), buffer.count - offset)
                if wrote < 0, errno == EINTR { continue }
                if wrote <= 0 { return false }
                offset += wrote
            }
            return true
        }
    }

    static func reason() -> String { String(cString: strerror(errno)).lowercased() }
}
