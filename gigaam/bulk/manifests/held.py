class HeldReader:
    def read(self, entry):
        raise NotImplementedError
