// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Lists the pictures of a folder.
package enum PictureFolder {
    private static let extensions = ["png", "jpg", "jpeg", "webp"]

    /// Paths of the folder's PNG, JPEG and WebP files, sorted by the bytes of their names; sub-folders and hidden files are left out.
    ///
    /// - Throws: `PictureError` when the folder is missing or has no picture.
    package static func list(_ folder: String) throws -> [String] {
        let name = PictureError.oneLine(folder)
        guard let handle = opendir(folder) else {
            throw PictureError(
                PictureError.codeOfFailedOpen,
                "\(name): cannot be listed: \(PictureFile.reason()); expected a folder of PNG, JPEG or WebP pictures")
        }
        defer { closedir(handle) }
        let prefix = folder.hasSuffix("/") ? folder : folder + "/"
        var names = [String]()
        while let entry = readdir(handle) {
            let (fileName, isUTF8) = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
                    (String(cString: $0), String(validatingCString: $0) != nil)
                }
            }
            guard isPicture(fileName) else { continue }
            // A name is bytes: one that is not UTF-8 could not be opened again under its repaired spelling.
            guard isUTF8 else {
                throw PictureError(.unreadable, "\(name): the file name \"\(PictureError.oneLine(fileName))\" is not UTF-8; rename it")
            }
            if isFile(prefix + fileName) { names.append(fileName) }
        }
        guard !names.isEmpty else {
            throw PictureError(.unreadable, "\(name): no picture in this folder, expected files that end in .png, .jpg, .jpeg or .webp")
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { prefix + $0 }
    }

    private static func isPicture(_ name: String) -> Bool {
        guard !name.hasPrefix("."), let dot = name.lastIndex(of: ".") else { return false }
        return extensions.contains(name[name.index(after: dot)...].lowercased())
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
}
