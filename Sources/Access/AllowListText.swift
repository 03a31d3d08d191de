// SPDX-License-Identifier: Apache-2.0
import ZeroMQ

/// The list as a file that people can read and edit.
///
///     pseudoword allow-list 1
///     # KIND    ROLES         KEY                                       ADDED                     NAME
///     member  admin+worker  Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID  2026-01-31T08:00:00.000Z  box-3
///     token   worker        rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7  2026-01-31T08:00:00.000Z  token-1
///     used    worker        ...                                       2026-01-31T08:00:00.000Z  token-2  KEY-THAT-CAME-OF-IT
///
/// One entry a line, fields separated by blanks; empty lines and lines that begin with `#` mean nothing and are not kept when the program
/// changes the list. Anything else is an error that names its line, and no line of such a file counts.
extension AllowList {
    private static let firstLine = "pseudoword allow-list 1"
    private static let comment = """
        # Who may connect to this coordinator, one key a line: KIND ROLES KEY ADDED NAME.
        # KIND is member, token (a join token that nobody has used) or used (a token, with the key that came of it at the end).
        # Changed by "pseudoword keys"; edit it by hand if you like, the coordinator notices. These comments are not kept.
        """
    private static let longestLine = 400
    package static let mostBytes = 32 << 20

    package var text: String {
        var lines = [Self.firstLine, Self.comment]
        lines.reserveCapacity(entries.count + 2)
        for entry in entries {
            let (kind, user) =
                switch entry.kind {
                case .member: ("member", "")
                case .oneTime(nil): ("token", "")
                case .oneTime(let user?): ("used", " " + user.z85)
                }
            lines.append("\(kind) \(entry.roles.text) \(entry.key.z85) \(UTCTime(milliseconds: entry.added).text) \(entry.name)\(user)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// - Throws: `AccessError` `.invalid` with the number of the line.
    package init(text: String) throws(AccessError) {
        self.init()
        guard text.utf8.count <= Self.mostBytes else {
            throw AccessError(.invalid, "the allow-list is larger than \(Self.mostBytes >> 20) MB")
        }
        var isFirst = true
        var number = 0
        // A file edited on another system may end its lines with CR LF.
        for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard line.count <= Self.longestLine else { throw Self.invalid(number, "is longer than \(Self.longestLine) characters") }
            let fields = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
                .map { String(decoding: $0, as: UTF8.self) }
            if isFirst {
                guard fields.joined(separator: " ") == Self.firstLine else {
                    throw Self.invalid(number, "is not \"\(Self.firstLine)\", so this is no allow-list that this version can read")
                }
                isFirst = false
            } else if let first = fields.first, !first.hasPrefix("#") {
                try add(fields, line: number)
            }
        }
    }

    private mutating func add(_ fields: [String], line: Int) throws(AccessError) {
        let count = fields[0] == "used" ? 6 : 5
        guard ["member", "token", "used"].contains(fields[0]) else {
            throw Self.invalid(line, "begins with \"\(fields[0].shown)\" instead of member, token or used")
        }
        guard fields.count == count else {
            let names = "KIND ROLES KEY ADDED NAME" + (count == 6 ? " USED-BY" : "")
            throw Self.invalid(line, "has \(fields.count) fields instead of \(count): \(names)")
        }
        do {
            let kind: Entry.Kind =
                switch fields[0] {
                case "member": .member
                case "token": .oneTime(usedBy: nil)
                default: .oneTime(usedBy: try CurvePublicKey(z85: fields[5]))
                }
            guard let time = UTCTime(text: fields[3]) else {
                throw AccessError(.invalid, "\"\(fields[3].shown)\" is no time; write it as 2026-01-31T08:00:00Z")
            }
            try PeerName.check(fields[4])
            let entry = Entry(
                key: try CurvePublicKey(z85: fields[2]), roles: try Set(roles: fields[1]), name: fields[4], added: time.milliseconds,
                kind: kind)
            guard self[entry.key] == nil else { throw AccessError(.invalid, "the same key stands in a line above") }
            try put(entry)
        } catch {
            throw Self.invalid(line, ": \(error)")
        }
    }

    private static func invalid(_ line: Int, _ why: String) -> AccessError {
        AccessError(.invalid, "line \(line)\(why.hasPrefix(":") ? "" : " ")\(why)")
    }
}
