"""What only programs written for the published package call: its names over what is here.

Whatever is here has another name too, which new programs use: see "Moving from the published
package" in the documentation. Importing these modules loads no torch.
"""
