"""varlink_idl: Varlink's interface description language, after the grammar at
https://varlink.org/Interface-Definition, and nothing of svd's. Strict: what the
grammar does not allow is an error, also where others would understand it.
"""

import re

BASIC = {"bool", "int", "float", "string", "object"}
INTERFACE = re.compile(r"[A-Za-z](-*[A-Za-z0-9])*"
                       r"(\.[A-Za-z0-9](-*[A-Za-z0-9])*)+\Z")
NAME = re.compile(r"[A-Z][A-Za-z0-9]*\Z")
FIELD = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*\Z")
TOKEN = re.compile(r"(?:[ \t]|#[^\n]*\n)*(\n|->|\[\]|\[string\]|[():,?]|"
                   r"[A-Za-z][A-Za-z0-9_.-]*|\Z)")


class IdlError(Exception):
    pass


class Interface:
    """name, types, errors: name -> type; methods: name -> (in, out).

    A type is ("maybe", T), ("array", T), ("map", T), ("struct", {name: T}),
    ("enum", [name]), ("alias", NAME) or one of BASIC."""

    def __init__(self, text):
        self.text, self.at = text, 0
        self.types, self.methods, self.errors = {}, {}, {}
        self.docs, self.members = {}, set()
        self.newlines()
        self.expect("interface")
        self.name = self.next()
        if not INTERFACE.match(self.name):
            raise IdlError(f"interface name {self.name!r}")
        while self.end_of_line():
            self.member()
        if not self.methods:
            raise IdlError("an interface has a method")
        self.resolve()

    # tokens

    def peek(self):
        match = TOKEN.match(self.text, self.at)
        if not match:
            raise IdlError(f"at {self.text[self.at:self.at + 40]!r}")
        return match.group(1), match.end()

    def next(self, skip=False):
        if skip:
            self.newlines()
        token, self.at = self.peek()
        return token

    def newlines(self):
        while self.peek()[0] == "\n":
            self.at = self.peek()[1]

    def expect(self, *wanted, skip=False):
        token = self.next(skip)
        if token not in wanted:
            raise IdlError(f"{token!r} in place of {wanted}, before "
                           f"{self.text[self.at:self.at + 40]!r}")
        return token

    def end_of_line(self):
        """A member ends with its line; False at the end of all."""
        if self.peek()[0] == "":
            return False
        self.expect("\n")
        self.newlines()
        return self.peek()[0] != ""

    # members

    def member(self):
        begin = TOKEN.match(self.text, self.at).start(1)
        kind = self.expect("type", "method", "error")
        name = self.next()
        if not NAME.match(name) or name in self.members:
            raise IdlError(f"{kind} {name!r}")
        self.members.add(name)
        before = self.text[:begin].rstrip("\n").split("\n")
        comment = []
        while before and before[-1].startswith("#"):
            comment.insert(0, before.pop().lstrip("# "))
        self.docs[name] = "\n".join(comment)
        if kind == "method":
            given = self.struct()
            self.expect("->")
            self.methods[name] = (given, self.struct())
        else:
            table = self.types if kind == "type" else self.errors
            table[name] = self.struct()

    def struct(self):
        self.expect("(")
        fields, names = {}, []
        if self.peek_over_newlines() == ")":
            self.expect(")", skip=True)
            return ("struct", fields)
        while True:
            name = self.next(skip=True)
            if not FIELD.match(name) or name in names:
                raise IdlError(f"field {name!r}")
            names.append(name)
            if self.peek_over_newlines() == ":":
                self.expect(":", skip=True)
                self.newlines()
                fields[name] = self.type()
            if self.expect(",", ")", skip=True) == ")":
                break
        if fields and list(fields) != names:
            raise IdlError(f"both fields and an enum: {names}")
        return ("struct", fields) if fields else ("enum", names)

    def peek_over_newlines(self):
        at = self.at
        self.newlines()
        token = self.peek()[0]
        self.at = at
        return token

    def type(self):
        token = self.peek()[0]
        if token == "(":
            return self.struct()
        self.next()
        if token == "?":
            inner = self.type()
            if inner[0] == "maybe":
                raise IdlError("??")
            return ("maybe", inner)
        if token in ("[]", "[string]"):
            return ("array" if token == "[]" else "map", self.type())
        if token in BASIC:
            return (token,)
        if NAME.match(token):
            return ("alias", token)
        raise IdlError(f"type {token!r}")

    def resolve(self):
        def walk(type_):
            if type_[0] == "alias" and type_[1] not in self.types:
                raise IdlError(f"type {type_[1]} is not declared")
            if type_[0] == "struct":
                for inner in type_[1].values():
                    walk(inner)
            elif type_[0] in ("maybe", "array", "map"):
                walk(type_[1])

        for one in (*self.types.values(), *self.errors.values()):
            walk(one)
        for given, out in self.methods.values():
            walk(given)
            walk(out)

    # values

    def check(self, type_, value, path="value"):
        """Raises IdlError unless value is of this type, exactly."""
        kind = type_[0]
        if kind == "maybe":
            if value is not None:
                self.check(type_[1], value, path)
        elif kind == "alias":
            self.check(self.types[type_[1]], value, path)
        elif kind == "array" and isinstance(value, list):
            for i, one in enumerate(value):
                self.check(type_[1], one, f"{path}[{i}]")
        elif kind == "map" and isinstance(value, dict):
            for key, one in value.items():
                self.check(type_[1], one, f"{path}.{key}")
        elif kind == "struct" and isinstance(value, dict):
            if unknown := set(value) - set(type_[1]):
                raise IdlError(f"{path}: {unknown} not declared")
            for name, inner in type_[1].items():
                self.check(inner, value.get(name), f"{path}.{name}")
        elif not (kind == "enum" and value in type_[1] or
                  kind == "bool" and isinstance(value, bool) or
                  kind == "string" and isinstance(value, str) or
                  kind == "int" and type(value) is int or
                  kind == "float" and type(value) in (int, float) or
                  kind == "object" and value is not None):
            raise IdlError(f"{path}: {value!r} is no {kind}")
