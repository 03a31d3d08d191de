// SPDX-License-Identifier: Apache-2.0

/// The file `BUNDLE` at the top of a bundle: what is in it, and what a box must have to run it.
package struct BundleDescription: Equatable, Sendable {
    package let version: String
    package let machine: String
    package let glibc: GlibcVersion
    /// The size of the unpacked folder.
    package let kilobytes: Int
    /// The time of its files, in seconds since 1970.
    package let date: Int

    /// Reads the lines `key=value`; unknown keys may come with later versions.
    package static func parse(_ text: String, source: String) throws(HostsError) -> BundleDescription {
        var values: [String: String] = [:]
        for line in text.prefix(4096).split(whereSeparator: \.isNewline) {
            guard let equals = line.firstIndex(of: "=") else { continue }
            values[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
        guard values["format"] == "1", let version = values["version"], let machine = values["machine"],
            let glibc = values["glibc"].flatMap(GlibcVersion.init), let kilobytes = values["kilobytes"].flatMap(Int.init),
            let date = values["date"].flatMap(Int.init), (1...(1 << 30)).contains(kilobytes), HostsFile.isName(machine),
            HostsFile.isName(version)
        else { throw HostsError("\(source): not a bundle of this program; make one with deploy/bundle") }
        return BundleDescription(version: version, machine: machine, glibc: glibc, kilobytes: kilobytes, date: date)
    }

    /// Why the bundle cannot run on a box, nil if it can; the packed file has `packedBytes`.
    package func objection(of box: BoxReport, packedBytes: Int) -> String? {
        guard box.system == "Linux" else { return "it runs \(HostsFile.quoted(box.system)), not Linux" }
        guard box.machine == machine else { return "it is a \(HostsFile.quoted(box.machine)) machine and the bundle is for \(machine)" }
        guard let theirs = box.glibc else { return "it has no glibc; the bundle needs glibc \(glibc) or newer" }
        guard theirs >= glibc else {
            return "it has glibc \(theirs) and the bundle needs \(glibc) or newer; make the bundle on a system as old as this one"
        }
        if !box.missingTools.isEmpty { return "it lacks \(box.missingTools.joined(separator: ", "))" }
        let needed = kilobytes + packedBytes / 1024 + 65536
        if !box.hasProgram, let free = box.freeKilobytes, free < needed {
            return "it has \(free / 1024) MB free and the program needs \(needed / 1024) MB"
        }
        return nil
    }
}

/// A version of the GNU C library, which newer ones are compatible with.
package struct GlibcVersion: Comparable, Sendable, CustomStringConvertible {
    let major: Int, minor: Int

    /// Reads `2.36`, `glibc 2.36`, and distributions' longer forms.
    package init?(_ text: String) {
        let word = text.split(separator: " ").last ?? ""
        let parts = word.split(separator: ".").prefix(2).map { Int($0.prefix { $0.isASCII && $0.isNumber }) }
        guard parts.count == 2, let major = parts[0], let minor = parts[1], (0...999).contains(major), (0...999).contains(minor) else {
            return nil
        }
        (self.major, self.minor) = (major, minor)
    }

    package static func < (left: GlibcVersion, right: GlibcVersion) -> Bool { (left.major, left.minor) < (right.major, right.minor) }

    package var description: String { "\(major).\(minor)" }
}
